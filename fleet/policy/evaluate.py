"""Controls held against the facts of one node."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from fleet.facts.request import key_in_dots
from fleet.kernel.catalogue import KEYS
from fleet.kernel.ipvs import timeouts_by_key
from fleet.kernel.outlook import KeyOutlook, Outlook, look_ahead
from fleet.kernel.values import equal
from fleet.model.facts import IpvsTimeouts, NodeFacts, Reason, Unavailable
from fleet.model.finding import Finding, FindingStatus, Moment, Protection, SettingState
from fleet.policy.context import all_modules, make_context
from fleet.policy.control import Control, Policy
from fleet.policy.drop_in import judge_drop_in
from fleet.policy.expression import Expression, ExpressionError, FactUnavailableError, Value
from fleet.policy.host import HostView
from fleet.policy.on_node import CHECKER_FILES
from fleet.policy.predicate import Predicate, PredicateError, plain, resolve_operand
from fleet.policy.state import Wish, setting_state
from fleet.policy.wanted import Wanted, wanted

NOT_CHECKED = "not checked"
"""How the reason of a finding begins that was skipped because something could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What is to be said of one node.

    Attributes:
        findings: one for each control, in the policy's order.
        settings: one for each sysctl key and timeout of IPVS that controls name.
        protection: what keeps INVALID segments from resetting connections, now and later.
        wanted: what each control would write, in the policy's order.
    """

    findings: tuple[Finding, ...]
    settings: tuple[SettingState, ...]
    protection: Mapping[Moment, Protection]
    wanted: tuple[Wanted, ...]


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
    node = _Node(facts=facts, context=context, outlook=outlook)
    wants: dict[str, Wanted] = {}
    wishes: dict[str, list[Wish]] = {}
    # Drop-ins last: what belongs into them is what the other controls hold on this node.
    for control in sorted(policy.controls, key=lambda control: control.setting.kind == "drop_in"):
        verdict = _judge(control, node, tuple(wants.values()))
        finding = _with_exceptions(_finding(control, verdict), policy, host, today)
        wants[control.id] = wanted(control, finding, verdict.expect, context)
        if control.setting.key is not None:
            wish = Wish(expect=verdict.expect, value=_wanted(control, node), scope=control.scope or "host")
            wishes.setdefault(control.setting.key, []).append(wish)
    in_order = tuple(wants[control.id] for control in policy.controls)
    return Evaluation(
        findings=tuple(want.finding for want in in_order),
        settings=tuple(setting_state(outlook.keys[key], held) for key, held in wishes.items()),
        protection={
            moment: Protection(status=verdict.status, reason=verdict.reason)
            for moment, verdict in outlook.protection.moments.items()
        },
        wanted=in_order,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    status: FindingStatus
    reason: str
    expect: Predicate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    """What the controls of one node are held against; many of them share a condition, which is evaluated once."""

    facts: NodeFacts
    context: Mapping[str, object]
    outlook: Outlook
    conditions: dict[Expression, Value] = field(default_factory=dict)

    def meets(self, condition: Expression | None) -> bool:
        if condition is None:
            return True
        if condition not in self.conditions:
            self.conditions[condition] = condition.evaluate(self.context)
        return bool(self.conditions[condition])


def _judge(control: Control, node: _Node, others: Sequence[Wanted]) -> _Verdict:
    try:
        if not node.meets(control.when):
            return _Verdict(status="skip", reason=control.skip_reason)
        expect = control.expect.resolve(node.context)
    except FactUnavailableError as error:
        return _Verdict(status="skip", reason=_not_checked(control, error.fact))
    except ExpressionError as error:
        return _Verdict(status="error", reason=str(error))
    if control.setting.kind == "drop_in":
        status, reason = judge_drop_in(control.setting.target, node.facts, others)
        return _Verdict(status=status, reason=reason, expect=expect)
    try:
        verdict = _held_against(control, expect, node)
    except FactUnavailableError as error:
        verdict = _unavailable(control, error.fact)
    except (ExpressionError, PredicateError) as error:
        verdict = _Verdict(status="error", reason=str(error))
    return replace(verdict, expect=expect)


def _held_against(control: Control, expect: Predicate, node: _Node) -> _Verdict:
    value = _value(control, node)
    future = node.outlook.keys[control.setting.target] if control.state != "live" else None
    if violation := _violation(control, expect, value, future, "expected"):
        return _Verdict(status="fail", reason=_explained(control, violation, node))
    prefer = control.prefer.resolve(node.context) if control.prefer else None
    if prefer and (violation := _violation(control, prefer, value, future, "preferred")):
        return _Verdict(status="warn", reason=_explained(control, violation, node))
    seen = expect.describe_value(value)
    if future is not None and (overruled := future.overruled):
        return _Verdict(status="warn", reason=_scoped(control, f"{seen}; {overruled}"))
    if future is not None and future.unknown:
        seen = f"{seen}; what the next boot leaves is not known"
    return _Verdict(status="pass", reason=_scoped(control, seen))


def _violation(
    control: Control, predicate: Predicate, value: object, future: KeyOutlook | None, wish: str
) -> str | None:
    """What is wrong with a value now or, where the control asks for that too, after the next boot."""
    key = control.setting.key
    now = predicate.check(value, key=key, wish=wish) if control.state != "boot" else None
    later = future.after_reboot.value if future is not None else None
    if future is None or later is None:
        return now
    if predicate.check(later, key=key) is None:
        return f"{now}; the next boot leaves {later} ({future.cause})" if now else None
    if now is None:
        acceptable = predicate.describe()
        return f"is {plain(value)} now, but the next boot leaves {later} ({future.cause}), {wish} {acceptable}"
    left = "leaves it so" if equal(future.key, str(value), later) else f"leaves {later}"
    return f"{now}; the next boot {left} ({future.cause})"


def _explained(control: Control, violation: str, node: _Node) -> str:
    because = control.because.evaluate(node.context) if control.because is not None else None
    return _scoped(control, f"{violation}: {because}" if because else violation)


def _wanted(control: Control, node: _Node) -> str | None:
    """What a change would write, where that is known."""
    try:
        value = resolve_operand(control.set, node.context)
    except (ExpressionError, FactUnavailableError):
        return None
    return None if value is None else str(value)


def _value(control: Control, node: _Node) -> object:
    setting = control.setting
    match setting.kind:
        case "sysctl":
            sysctl = node.facts.sysctls.get(setting.target)
            return _read(sysctl.value if sysctl is not None else Unavailable(Reason.ABSENT))
        case "ipvs":
            timeouts = _read(node.facts.ipvs.timeouts)
            return timeouts_by_key(timeouts)[setting.target] if isinstance(timeouts, IpvsTimeouts) else None
        case "module":
            modules = _read(all_modules(node.facts))
            return isinstance(modules, frozenset) and setting.target in modules
        case "file":
            return _file(setting.target, node.facts)
        case _:
            value = setting.fact.evaluate(node.context) if setting.fact is not None else None
            if value is None:
                raise FactUnavailableError(Unavailable(Reason.ABSENT, setting.target))
            return value


def _file(path: str, facts: NodeFacts) -> object:
    """Content, None for no file, and the kind of what has no content, such as a directory."""
    file = facts.files.get(path)
    if file is None:
        return None
    if file.kind == "unreadable":
        raise FactUnavailableError(Unavailable(Reason.NEEDS_ROOT if facts.identity.uid else Reason.UNREADABLE, path))
    return file.content if file.content is not None else file.kind


def _read(fact: object) -> object:
    if isinstance(fact, Unavailable):
        raise FactUnavailableError(fact)
    return fact


def _unavailable(control: Control, fact: Unavailable) -> _Verdict:
    """A key that the catalogue knows may be missing on an old kernel or in a container; another may be mistyped."""
    setting = control.setting
    if setting.kind == "sysctl" and fact.reason is Reason.ABSENT and setting.target not in KEYS:
        return _Verdict(status="error", reason=f"this kernel has no {setting.target}: check the name of the key")
    return _Verdict(status="skip", reason=_not_checked(control, fact))


def _not_checked(control: Control, fact: Unavailable) -> str:
    match fact.reason:
        case Reason.NOT_LOADED:
            return f"{NOT_CHECKED}: the module {fact.detail or 'that it needs'} is not loaded"
        case Reason.ABSENT if control.setting.kind == "sysctl" and not fact.detail:
            return f"{NOT_CHECKED}: this kernel has no {control.setting.target}"
        case _:
            return f"{NOT_CHECKED}: {fact}"


def _scoped(control: Control, reason: str) -> str:
    return f"{reason}; pods keep their own value" if control.scope == "namespace" else reason


def _finding(control: Control, verdict: _Verdict) -> Finding:
    return Finding(
        control=control.id,
        title=control.title,
        status=verdict.status,
        impact=control.impact,
        reason=verdict.reason,
        why=control.why,
        settings=(control.setting.key,) if control.setting.key is not None else (),
    )


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
