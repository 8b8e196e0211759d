"""Controls held against the facts of one node."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from fleet.facts.request import key_in_dots
from fleet.kernel.catalogue import KEYS
from fleet.kernel.outlook import Outlook, look_ahead
from fleet.model.facts import NodeFacts
from fleet.model.finding import Finding, Moment, Protection, SettingState
from fleet.policy.context import make_context
from fleet.policy.control import Policy
from fleet.policy.host import HostView
from fleet.policy.node import NodeView
from fleet.policy.on_node import CHECKER_FILES
from fleet.policy.state import Wish, setting_state
from fleet.policy.verdict import conclude
from fleet.policy.wanted import Wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What is to be said of one node.

    Attributes:
        findings: one for each control, in the policy's order.
        settings: one for each sysctl key and timeout of IPVS that controls name.
        protection: what keeps INVALID segments from resetting connections, now and later.
        wanted: what each control would write, in the policy's order.
        outlook: of all keys that controls name.
    """

    findings: tuple[Finding, ...]
    settings: tuple[SettingState, ...]
    protection: Mapping[Moment, Protection]
    wanted: tuple[Wanted, ...]
    outlook: Outlook


def evaluate(policy: Policy, facts: NodeFacts, *, host: HostView, today: date) -> Evaluation:
    """Judge one node.

    Args:
        policy: a loaded playbook.
        facts: what the probe read, with `needed_keys` and `needed_files`.
        host: the node's host in the inventory.
        today: the day that exceptions are held against.
    """
    outlook = look_ahead(facts, [control.setting.key for control in policy.controls if control.setting.key])
    context = make_context(facts, policy.variables, host.data, outlook)
    node = NodeView(facts=facts, context=context, outlook=outlook)
    wants: dict[str, Wanted] = {}
    wishes: dict[str, list[Wish]] = {}
    # Drop-ins last: what belongs into them is what the other controls hold on this node.
    for control in sorted(policy.controls, key=lambda control: control.setting.kind == "drop_in"):
        conclusion = conclude(control, node, wants)
        want = conclusion.want
        finding = _with_exceptions(want.finding, policy, host, today)
        wants[control.id] = want if finding is want.finding else replace(want, finding=finding)
        if control.setting.key is not None and conclusion.wish is not None:
            wishes.setdefault(control.setting.key, []).append(conclusion.wish)
    in_order = tuple(wants[control.id] for control in policy.controls)
    return Evaluation(
        findings=tuple(want.finding for want in in_order),
        settings=tuple(setting_state(outlook.keys[key], tuple(held)) for key, held in wishes.items()),
        protection={
            moment: Protection(status=verdict.status, reason=verdict.reason)
            for moment, verdict in outlook.protection.moments.items()
        },
        wanted=in_order,
        outlook=outlook,
    )


def needed_keys(policy: Policy) -> tuple[str, ...]:
    """Every sysctl key that the probe has to read: the catalogue's and those that the controls name."""
    targets = [control.setting.target for control in policy.controls if control.setting.kind == "sysctl"]
    used = [
        key_in_dots(field)
        for control in policy.controls
        for expression in control.expressions
        for name, field in sorted(expression.fields)
        if name == "sysctl"
    ]
    return tuple(dict.fromkeys((*KEYS, *targets, *used)))


def needed_files(policy: Policy) -> tuple[str, ...]:
    """Every file that the controls name, and those by which a node checks itself, by absolute path."""
    targets = (control.setting.target for control in policy.controls if control.setting.kind == "file")
    return tuple(dict.fromkeys((*targets, *(CHECKER_FILES if policy.on_node is not None else ()))))


def _with_exceptions(finding: Finding, policy: Policy, host: HostView, today: date) -> Finding:
    if finding.status not in {"fail", "warn", "error"}:
        return finding
    expired = ""
    for exception in policy.exceptions:
        if exception.control != finding.control or not exception.hosts.matches(host):
            continue
        if today <= exception.expires:
            reason = f"exception until {exception.expires}: {exception.reason} ({exception.owner})"
            return replace(finding, status="skip", reason=reason)
        expired = f"; its exception expired on {exception.expires} ({exception.owner})"
    return replace(finding, reason=finding.reason + expired)
