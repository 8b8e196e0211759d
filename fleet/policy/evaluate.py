"""Controls held against the facts of one node."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from fleet.facts.request import key_in_dots
from fleet.kernel.catalogue import KEYS
from fleet.model.facts import NodeFacts, Reason, Unavailable
from fleet.model.finding import Finding, FindingStatus, Scope, SettingState
from fleet.policy.context import all_modules, make_context
from fleet.policy.control import Control, Policy
from fleet.policy.expression import Expression, ExpressionError, FactUnavailableError, Value
from fleet.policy.host import HostView
from fleet.policy.predicate import Predicate, PredicateError

ANY = "any"
"""What is expected of a key whose control does not apply to the node."""


def evaluate(
    policy: Policy, facts: NodeFacts, *, host: HostView, today: date
) -> tuple[tuple[Finding, ...], tuple[SettingState, ...]]:
    """Judge one node.

    Args:
        policy: a loaded playbook.
        facts: what the probe read, with `needed_keys` and `needed_files`.
        host: the node's host in the inventory.
        today: the day that exceptions are held against.

    Returns:
        One finding for each control, in the policy's order, and one state for each sysctl key that controls name.
    """
    node = _Node(facts=facts, context=make_context(facts, policy.variables, host.data))
    findings: list[Finding] = []
    expected: dict[str, list[str]] = {}
    for control in policy.controls:
        verdict = _judge(control, node)
        findings.append(_with_exceptions(_finding(control, verdict), policy, host, today))
        if control.setting.kind == "sysctl":
            expected.setdefault(control.setting.target, []).append(verdict.expected)
    scopes = {control.setting.target: control.scope for control in policy.controls}
    states = (_state(key, words, scopes[key] or "host", facts) for key, words in expected.items())
    return tuple(findings), tuple(states)


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
    """Every file that the controls name, by absolute path."""
    targets = (control.setting.target for control in policy.controls if control.setting.kind == "file")
    return tuple(dict.fromkeys(targets))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    status: FindingStatus
    reason: str
    expected: str = ANY


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    """What the controls of one node are held against; many of them share a condition, which is evaluated once."""

    facts: NodeFacts
    context: Mapping[str, object]
    conditions: dict[Expression, Value] = field(default_factory=dict)

    def meets(self, condition: Expression | None) -> bool:
        if condition is None:
            return True
        if condition not in self.conditions:
            self.conditions[condition] = condition.evaluate(self.context)
        return bool(self.conditions[condition])


def _judge(control: Control, node: _Node) -> _Verdict:
    try:
        if not node.meets(control.when):
            return _Verdict(status="skip", reason=control.skip_reason)
        expect = control.expect.resolve(node.context)
    except FactUnavailableError as error:
        return _Verdict(status="skip", reason=_not_checked(control, error.fact))
    except ExpressionError as error:
        return _Verdict(status="error", reason=str(error))
    expected = expect.describe()
    try:
        verdict = _held_against(control, expect, node)
    except FactUnavailableError as error:
        verdict = _unavailable(control, error.fact)
    except (ExpressionError, PredicateError) as error:
        verdict = _Verdict(status="error", reason=str(error))
    return replace(verdict, expected=expected)


def _held_against(control: Control, expect: Predicate, node: _Node) -> _Verdict:
    value = _value(control, node)
    key = control.setting.target if control.setting.kind == "sysctl" else None
    if violation := expect.check(value, key=key):
        return _Verdict(status="fail", reason=_scoped(control, violation))
    prefer = control.prefer.resolve(node.context) if control.prefer else None
    if prefer and (violation := prefer.check(value, key=key, wish="preferred")):
        return _Verdict(status="warn", reason=_scoped(control, violation))
    return _Verdict(status="pass", reason=_scoped(control, expect.describe_value(value)))


def _value(control: Control, node: _Node) -> object:
    setting = control.setting
    match setting.kind:
        case "sysctl":
            sysctl = node.facts.sysctls.get(setting.target)
            return _read(sysctl.value if sysctl is not None else Unavailable(Reason.ABSENT))
        case "module":
            modules = _read(all_modules(node.facts))
            return isinstance(modules, frozenset) and setting.target in modules
        case "file":
            return _file(setting.target, node.facts)
        case "fact":
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
            return f"not checked: the module {fact.detail or 'that it needs'} is not loaded"
        case Reason.ABSENT if control.setting.kind == "sysctl" and not fact.detail:
            return f"not checked: this kernel has no {control.setting.target}"
        case _:
            return f"not checked: {fact}"


def _scoped(control: Control, reason: str) -> str:
    return f"{reason}; pods keep their own value" if control.scope == "namespace" else reason


def _finding(control: Control, verdict: _Verdict) -> Finding:
    return Finding(
        control=control.id,
        title=control.title,
        status=verdict.status,
        impact=control.impact,
        reason=verdict.reason,
        settings=(control.setting.target,) if control.setting.kind == "sysctl" else (),
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


def _state(key: str, expected: list[str], scope: Scope, facts: NodeFacts) -> SettingState:
    """One key with what every control of it expects."""
    sysctl = facts.sysctls.get(key)
    live = None if sysctl is None or isinstance(sysctl.value, Unavailable) else sysctl.value
    words = dict.fromkeys(each for each in expected if each != ANY)
    return SettingState(key=key, live=live, expected=" and ".join(words) or ANY, scope=scope)
