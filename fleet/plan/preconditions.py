"""What a plan rests on, so that a node that has moved since is not changed by it."""

import hashlib
from collections.abc import Collection, Iterator, Sequence

from fleet.kernel.boot import BOOT_FILES
from fleet.kernel.boot.procps import CONF
from fleet.kernel.boot.tree import BASES
from fleet.kernel.keys_ipvs import IPVS_NAMES
from fleet.kernel.outlook import Outlook
from fleet.model.facts import NodeFacts, NodeFile
from fleet.plan.decide import Goal
from fleet.plan.draft import Draft
from fleet.plan.ipvs import IPVS_LINK
from fleet.plan.model import FileState, Preconditions

# The probe gives these as they are; it masks secrets in everything else.
_EXACT = tuple(f"{base}/{tree}/" for base in BASES for tree in ("sysctl.d", "modules-load.d", "modprobe.d"))
_RANCHER = "/etc/rancher/"


def preconditions(
    goals: Sequence[Goal], made: Draft, facts: NodeFacts, outlook: Outlook, involved: Collection[str]
) -> Preconditions:
    """Record the state that was planned on.

    Args:
        goals: what is changed.
        made: the files for it.
        facts: of the node.
        outlook: of the keys before the change.
        involved: units whose files are involved, such as ``kubelet.service``, and other files.
    """
    written = {file.path for file in made.files}
    units = [name for name in involved if not name.startswith("/")]
    decisive = {
        path
        for path in facts.files
        if path in involved or _decides(path) or any(_is_of_unit(path, unit) for unit in units)
    }
    links = {IPVS_LINK} if any(goal.key in IPVS_NAMES for goal in goals) else set()
    paths = sorted({*written, *made.removed, *decisive, *links})
    live = {goal.key: outlook.keys[goal.key].live for goal in goals if goal.key not in IPVS_NAMES}
    boot_id = facts.identity.boot_id
    return Preconditions(
        boot_id=boot_id if isinstance(boot_id, str) else None,
        files={path: _state(path, facts.files.get(path)) for path in paths},
        live=live,
        writers=tuple(dict.fromkeys(_writers(goals, outlook))),
        protected=tuple(
            moment for moment, verdict in outlook.protection.moments.items() if verdict.status.startswith("protected")
        ),
    )


def moved_files(held: Preconditions, facts: NodeFacts, done: Collection[str]) -> tuple[str, ...]:
    """The masked files that are not as they were when the plan was made, one sentence each.

    Only these: their hashes are over what the probe gives, so a node cannot compare them by itself.

    Args:
        held: what the plan rests on.
        facts: of the node as it is now.
        done: files that are as the plan would have them already.
    """
    return tuple(
        f"{path} is not as it was: {_difference(state, _state(path, facts.files.get(path)))}"
        for path, state in held.files.items()
        if state.masked and path not in done and state != _state(path, facts.files.get(path))
    )


def _difference(was: FileState, now: FileState) -> str:
    if was.kind != now.kind:
        return f"{was.kind} then, {now.kind} now"
    return f"it led to {was.link} then" if was.link != now.link else "its content has changed"


def _decides(path: str) -> bool:
    return path.startswith((*_EXACT, _RANCHER)) or path in {CONF, *BOOT_FILES}


def _is_of_unit(path: str, unit: str) -> bool:
    return "/systemd/system/" in path and f"/{unit}" in path


def _state(path: str, file: NodeFile | None) -> FileState:
    if file is None:
        return FileState(kind="absent")
    return FileState(
        kind=file.kind,
        sha256=None if file.content is None else hashlib.sha256(file.content).hexdigest(),
        link=file.link,
        masked=not path.startswith(_EXACT) and path != CONF,
    )


def _writers(goals: Sequence[Goal], outlook: Outlook) -> Iterator[str]:
    for goal in goals:
        for writer in outlook.keys[goal.key].writers:
            effect = ", or ".join(map(str, writer.writes)) or f"writes a value not known: {writer.reason}"
            yield f"{goal.key}: {writer.name} at {writer.when}: {effect}"
