"""The gate that holds the playbook against every changed host once more."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from fleet.facts import ProbeRequest
from fleet.model.finding import Finding
from fleet.model.rollout import GateResult, VerifyGate
from fleet.plan import NodePlan
from fleet.policy import HostView, evaluate, needed_files, needed_keys
from fleet.rollout.gates.context import GateContext
from fleet.rollout.gates.result import counted, failed, interrupted, listed, passed, split
from fleet.runner.audit import read_facts
from fleet.transport import Connection


def check_verify(gate: VerifyGate, context: GateContext) -> GateResult:
    """Read the facts of every changed host, and hold the playbook against them."""
    policy = context.policy
    if policy is None:
        return failed(gate, "the playbook is not at hand, so nothing can be verified: apply with it, or drop this gate")
    request = ProbeRequest(keys=needed_keys(policy), files=needed_files(policy))
    today = datetime.now(UTC).date()

    def look(host: HostView, connection: Connection) -> tuple[Finding, ...]:
        return evaluate(policy, read_facts(host, connection, request), host=host, today=today).findings

    findings, errors = split(context.fleet.run(look, hosts=context.changed, stop=context.stop))
    if context.stop.is_set():
        return interrupted(gate)
    problems = [f"{host} cannot be verified: {why}" for host, why in errors.items()]
    mended = {host: mended_controls(plan) for host in context.changed if (plan := context.plan.hosts[host].plan)}
    for host, seen in findings.items():
        problems += [f"{host}: {problem}" for problem in unmended(mended.get(host, ()), seen)]
    if problems:
        return failed(gate, listed(problems))
    held = sum(map(len, mended.values()))
    return passed(gate, f"{counted(held, 'mended control')} on {counted(len(findings), 'host')} as expected")


def mended_controls(plan: NodePlan) -> tuple[str, ...]:
    """The controls that a plan is to mend, in its order.

    A file that an earlier plan wrote also holds lines of controls that this plan leaves as they are, or cannot help.
    """
    refused = {control for each in plan.refused for control in each.controls}
    elsewhere = {control for each in plan.remedies for control in each.controls}
    left = {each.control for each in plan.kept if each.why != "scope"}
    changed = dict.fromkeys(control for change in plan.changes for control in change.controls)
    return tuple(control for control in changed if control not in refused | elsewhere | left)


def unmended(controls: Iterable[str], findings: Iterable[Finding]) -> Iterator[str]:
    """Say of each control that does not pass what it found; one that was skipped has shown nothing."""
    by_control = {finding.control: finding for finding in findings}
    for control in controls:
        finding = by_control.get(control)
        if finding is None:
            yield f"{control} is not in the playbook any more"
        elif finding.status != "pass":
            yield f"{control} ({finding.status}): {', '.join(finding.settings)} {finding.reason}".replace(":  ", ": ")
