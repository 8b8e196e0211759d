"""The changes of the benchmark as a saved plan of fleet, so that it writes the same bytes as the others."""

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from benchmarks.work import PLAYBOOK, files, values
from fleet import __version__
from fleet.model.rollout import Rollout
from fleet.plan import Change, HostPlan, NodePlan, Plan, save_plan
from fleet.plan.model import ChangeKind, FileState, Preconditions

_RUN_ID = "20260101T000000Z-000000"
# No node undoes itself, however slow the machine is.
_CONFIRM_WITHIN = 900.0


def write_plan(path: Path, boot_ids: Mapping[str, str], *, before: int, after: int) -> None:
    """Save the plan that brings every host from one state to the other, all in one batch.

    Args:
        boot_ids: by the name of the host.
    """
    plan = Plan(
        run_id=_RUN_ID,
        created=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        playbook=PLAYBOOK,
        playbook_digest="sha256:" + "0" * 64,
        version=__version__,
        rollout=Rollout(confirm_within=_CONFIRM_WITHIN),
        hosts={
            name: HostPlan(name=name, plan=_node_plan(boot_id, before, after)) for name, boot_id in boot_ids.items()
        },
    )
    save_plan(plan, path)


def _node_plan(boot_id: str, before: int, after: int) -> NodePlan:
    old_files, new_files, old, new = files(before), files(after), values(before), values(after)
    changes = [_change("file", name, old_files[name], new_files[name], mode=0o644) for name in new_files]
    changes += [_change("sysctl", key, old[key], new[key]) for key in new]
    hashes = {name: sha256(text.encode()).hexdigest() for name, text in old_files.items()}
    return NodePlan(
        changes=tuple(changes),
        kept=(),
        refused=(),
        remedies=(),
        risks=(),
        preconditions=Preconditions(
            boot_id=boot_id,
            files={name: FileState(kind="file", sha256=digest) for name, digest in hashes.items()},
            live=old,
            writers=(),
            protected=(),
        ),
        next_boot=new,
    )


def _change(kind: ChangeKind, target: str, before: str, after: str, mode: int | None = None) -> Change:
    diff = f"{before} -> {after}"
    return Change(
        kind=kind, target=target, before=before, after=after, diff=diff, reason="benchmark", mode=mode, controls=()
    )
