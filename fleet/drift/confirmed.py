"""What a confirmed run has left on a node, and whether it is still there."""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from posixpath import dirname

from fleet.facts.tree import mask_file
from fleet.model.drift import Confirmed, Deviation
from fleet.model.facts import NodeFacts
from fleet.model.finding import HostAudit
from fleet.model.rollout import HostRun, RunResult
from fleet.model.text import printable
from fleet.plan import Change, NodePlan, Plan
from fleet.report.run_status import went_well
from fleet.rollout.verify import as_written


def confirmed_hosts(result: RunResult, plan: Plan) -> Mapping[str, Confirmed]:
    """What an apply has left on the hosts where it was confirmed.

    Args:
        result: of an apply.
        plan: that was applied.
    """
    found = {}
    for name, host in result.hosts.items():
        planned = plan.hosts[name].plan if name in plan.hosts else None
        if planned is not None and host.status == "changed" and went_well(result, host):
            found[name] = _confirmed(result, plan, host, planned)
    return found


def against_run(confirmed: Confirmed, host: HostAudit) -> Iterator[Deviation]:
    """What has become of the files of a run, and of its values that the playbook does not speak of."""
    facts = host.facts
    if facts is None:
        return
    for path, sums in confirmed.files.items():
        if problem := _file_problem(path, sums, facts):
            reason = f"{problem} that the run {confirmed.run_id} has written" if sums else problem
            yield Deviation(about="file", name=path, kind="drift", is_open=True, impact="high", reason=reason)
    judged = {setting.key for setting in host.settings}
    for key, wanted in confirmed.values.items():
        sysctl = facts.sysctls.get(key)
        if key in judged or sysctl is None or not isinstance(sysctl.value, str):
            continue
        if not as_written(key, wanted, sysctl.value):
            yield Deviation(
                about="setting",
                name=key,
                kind="drift",
                is_open=True,
                impact="high",
                reason=f"{key} is {printable(sysctl.value)}, and the run {confirmed.run_id} has written {wanted}",
                value=sysctl.value,
                was=wanted,
            )


def _confirmed(result: RunResult, plan: Plan, host: HostRun, planned: NodePlan) -> Confirmed:
    # What was read back is what the kernel made of the planned value.
    read = {each.target: each.read_back for each in host.changes if each.kind == "sysctl" and each.read_back}
    values = {each.target: read.get(each.target) or each.after for each in planned.changes if each.kind == "sysctl"}
    return Confirmed(
        run_id=result.run_id,
        at=result.finished,
        digest=plan.playbook_digest,
        boot_id=planned.preconditions.boot_id if planned.preconditions is not None else None,
        values={key: value for key, value in values.items() if value is not None},
        next_boot=planned.next_boot,
        files={each.target: _sums(each) for each in planned.changes if each.kind == "file"},
    )


def _sums(change: Change) -> tuple[str, ...]:
    content = change.bytes_after
    if content is None:
        return ()
    # The probe masks secrets, and these sums are compared with what it gives.
    return tuple(dict.fromkeys(_sum(each) for each in (content, mask_file(change.target, content))))


def _file_problem(path: str, sums: tuple[str, ...], facts: NodeFacts) -> str:
    """What is wrong with a file, to be followed by who wrote it; empty where nothing is, or where it was not read."""
    file = facts.files.get(path)
    if file is None:
        return f"{path} is gone," if sums and _is_seen(dirname(path), facts) else ""
    if not sums:
        return f"{path} is there again"
    if file.kind == "unreadable" or (file.kind == "file" and file.content is None):
        return ""
    if file.kind != "file":
        return f"{path} is a {file.kind} now, and not the file"
    assert file.content is not None  # noqa: S101
    return "" if _sum(file.content) in sums else f"{path} has not the content any more"


def _is_seen(directory: str, facts: NodeFacts) -> bool:
    """Whether a file that is not among the facts is not on the node: root sees all, others what is open to them."""
    return facts.identity.uid == 0 or any(dirname(path) == directory for path in facts.files)


def _sum(content: bytes) -> str:
    return sha256(content).hexdigest()
