"""One control held against one node: a finding, and what a change would write."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from fleet.kernel.catalogue import KEYS
from fleet.kernel.ipvs import timeouts_by_key
from fleet.kernel.outlook import KeyOutlook
from fleet.kernel.values import equal
from fleet.model.facts import IpvsTimeouts, NodeFacts, Reason, Unavailable
from fleet.model.finding import Finding, FindingStatus
from fleet.policy.context import has_module
from fleet.policy.control import Control
from fleet.policy.drop_in import judge_drop_in
from fleet.policy.expression import ExpressionError, FactUnavailableError
from fleet.policy.memo import Memo
from fleet.policy.node import NodeView, UnknownReadingError
from fleet.policy.predicate import Predicate, PredicateError, plain, resolve_operand
from fleet.policy.state import Wish
from fleet.policy.wanted import Wanted, wanted

NOT_CHECKED = "not checked"
"""How the reason of a finding begins that was skipped because something could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """What one control says of one node.

    Attributes:
        want: with the finding, exceptions left out.
        wish: for the key that the control is about; None for other settings.
    """

    want: Wanted
    wish: Wish | None


_CONCLUSIONS: Memo[object, Conclusion] = Memo(4096)


def conclude(control: Control, node: NodeView, others: Mapping[str, Wanted]) -> Conclusion:
    """Judge one control, or recall what it said of a node that was like this one in all that it reads.

    Args:
        others: by id, those that were judged before it, for drop-ins.
    """
    try:
        key = (control, node.meets(control.when) and node.reading(control))
    except (UnknownReadingError, ExpressionError, FactUnavailableError):
        return _conclude(control, node, others)
    return _CONCLUSIONS.get(key, lambda: _conclude(control, node, others))


def _conclude(control: Control, node: NodeView, others: Mapping[str, Wanted]) -> Conclusion:
    verdict = _judge(control, node, others)
    want = wanted(control, _finding(control, verdict), verdict.expect, node.context)
    if control.setting.key is None:
        return Conclusion(want=want, wish=None)
    value = None if verdict.expect is None else _wanted(control, node)
    wish = Wish(expect=verdict.expect, value=value, scope=control.scope or "host")
    return Conclusion(want=want, wish=wish)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    status: FindingStatus
    reason: str
    expect: Predicate | None = None


def _judge(control: Control, node: NodeView, others: Mapping[str, Wanted]) -> _Verdict:
    try:
        if not node.meets(control.when):
            return _Verdict(status="skip", reason=control.skip_reason)
        expect = control.expect.resolve(node.context)
    except FactUnavailableError as error:
        return _Verdict(status="skip", reason=_not_checked(control, error.fact))
    except ExpressionError as error:
        return _Verdict(status="error", reason=str(error))
    if control.setting.kind == "drop_in":
        status, reason = judge_drop_in(control.setting.target, node.facts, tuple(others.values()))
        return _Verdict(status=status, reason=reason, expect=expect)
    try:
        verdict = _held_against(control, expect, node)
    except FactUnavailableError as error:
        verdict = _unavailable(control, error.fact)
    except (ExpressionError, PredicateError) as error:
        verdict = _Verdict(status="error", reason=str(error))
    return replace(verdict, expect=expect)


def _held_against(control: Control, expect: Predicate, node: NodeView) -> _Verdict:
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


def _explained(control: Control, violation: str, node: NodeView) -> str:
    because = control.because.evaluate(node.context) if control.because is not None else None
    return _scoped(control, f"{violation}: {because}" if because else violation)


def _wanted(control: Control, node: NodeView) -> str | None:
    """What a change would write, where that is known."""
    try:
        value = resolve_operand(control.set, node.context)
    except (ExpressionError, FactUnavailableError):
        return None
    return None if value is None else str(value)


def _value(control: Control, node: NodeView) -> object:
    setting = control.setting
    match setting.kind:
        case "sysctl":
            sysctl = node.facts.sysctls.get(setting.target)
            return _read(sysctl.value if sysctl is not None else Unavailable(Reason.ABSENT))
        case "ipvs":
            timeouts = _read(node.facts.ipvs.timeouts)
            return timeouts_by_key(timeouts)[setting.target] if isinstance(timeouts, IpvsTimeouts) else None
        case "module":
            return _read(has_module(node.facts, setting.target))
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
