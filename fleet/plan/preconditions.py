"""What a plan rests on, so that a node that has moved since is not changed by it."""

import hashlib
from collections.abc import Iterator, Sequence

from fleet.kernel.boot import BOOT_FILES
from fleet.kernel.boot.procps import CONF
from fleet.kernel.boot.tree import BASES
from fleet.kernel.outlook import Outlook
from fleet.model.facts import NodeFacts, NodeFile
from fleet.plan.decide import Goal
from fleet.plan.draft import Draft
from fleet.plan.model import FileState, Preconditions

# The probe gives these as they are; it masks secrets in everything else.
_EXACT = tuple(f"{base}/{tree}/" for base in BASES for tree in ("sysctl.d", "modules-load.d", "modprobe.d"))
_RANCHER = "/etc/rancher/"


def preconditions(goals: Sequence[Goal], made: Draft, facts: NodeFacts, outlook: Outlook) -> Preconditions:
    """Record the state that was planned on.

    Args:
        goals: what is changed.
        made: the files for it.
        facts: of the node.
        outlook: of the keys before the change.
    """
    written = {file.path for file in made.files}
    paths = sorted({*written, *made.removed, *(path for path in facts.files if _decides(path))})
    live = {goal.key: outlook.keys[goal.key].live for goal in goals}
    boot_id = facts.identity.boot_id
    return Preconditions(
        boot_id=boot_id if isinstance(boot_id, str) else None,
        files={path: _state(path, facts.files.get(path)) for path in paths},
        live=live,
        writers=tuple(dict.fromkeys(_writers(goals, outlook))),
    )


def _decides(path: str) -> bool:
    return path.startswith((*_EXACT, _RANCHER)) or path in {CONF, *BOOT_FILES}


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
