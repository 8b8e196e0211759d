"""The gate that verifies what a plan was to mend, as ``fleet verify`` does."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from fleet.model.rollout import GateResult, VerifyGate
from fleet.plan import NodePlan
from fleet.policy import HostView, Policy
from fleet.rollout.gates.context import GateContext
from fleet.rollout.gates.result import counted, failed, interrupted, listed, passed, split
from fleet.transport import Connection
from fleet.verify.suite import Node, read_node


def check_verify(gate: VerifyGate, context: GateContext) -> GateResult:
    """Read every changed host, and hold it against the controls that its plan was to mend."""
    policy = context.policy
    if policy is None:
        return failed(gate, "the playbook is not at hand, so nothing can be verified: apply with it, or drop this gate")
    mended = {host: mended_controls(plan) for host in context.changed if (plan := context.plan.hosts[host].plan)}
    today = datetime.now(UTC).date()

    def look(host: HostView, connection: Connection) -> tuple[str, ...]:
        node = read_node(policy, host, connection, today=today)
        return tuple(unmended(mended.get(host.name, ()), policy, node))

    found, errors = split(context.fleet.run(look, hosts=context.changed, stop=context.stop))
    if context.stop.is_set():
        return interrupted(gate)
    problems = [f"{host} cannot be verified: {why}" for host, why in errors.items()]
    problems += [f"{host}: {problem}" for host, each in found.items() for problem in each]
    if problems:
        return failed(gate, listed(problems))
    held = sum(map(len, mended.values()))
    return passed(gate, f"{counted(held, 'mended control')} on {counted(len(found), 'host')} as expected")


def mended_controls(plan: NodePlan) -> tuple[str, ...]:
    """The controls that a plan is to mend, in its order.

    A file that an earlier plan wrote also holds lines of controls that this plan leaves as they are, or cannot help.
    """
    refused = {control for each in plan.refused for control in each.controls}
    elsewhere = {control for each in plan.remedies for control in each.controls}
    left = {each.control for each in plan.kept if each.why != "scope"}
    changed = dict.fromkeys(control for change in plan.changes for control in change.controls)
    return tuple(control for control in changed if control not in refused | elsewhere | left)


def unmended(controls: Iterable[str], policy: Policy, node: Node) -> Iterator[str]:
    """Say of each control that does not pass what it found; one that was skipped has shown nothing."""
    known = {control.id: control for control in policy.controls}
    for each in controls:
        if each not in known:
            yield f"{each} is not in the playbook any more"
            continue
        finding = node.hold(known[each]).finding
        if finding.status != "pass":
            yield f"{each} ({finding.status}): {', '.join(finding.settings)} {finding.reason}".replace(":  ", ": ")
