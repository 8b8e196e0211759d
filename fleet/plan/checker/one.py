"""One control on one node, as the node can check it."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from fleet.facts.request import key_path
from fleet.facts.tree import mask_file
from fleet.kernel.outlook import Outlook
from fleet.model.facts import NodeFacts, Reason, Unavailable
from fleet.plan.checker.basis import EVERYTHING, FACTS, basis
from fleet.plan.checker.checks import Check, CheckKind, Condition, Unjudged
from fleet.plan.checker.conditions import IncomparableError, conditions, in_words, is_demand, kind_of
from fleet.policy import HostView
from fleet.policy.control import Control, ControlException
from fleet.policy.expression import Expression
from fleet.policy.predicate import Predicate
from fleet.policy.wanted import Wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """The node that a control is compiled for."""

    facts: NodeFacts
    outlook: Outlook
    exceptions: Sequence[ControlException]
    host: HostView

    def live(self, key: str) -> str | None:
        """The value of a key; None where it is not there."""
        sysctl = self.facts.sysctls.get(key)
        return sysctl.value if sysctl is not None and isinstance(sysctl.value, str) else None


def compile_one(want: Wanted, node: Node) -> Check | Unjudged:
    """What a node compares for a control, or why it cannot."""
    control = want.control
    rests = basis(_counting(control))
    if rests.unseen:
        return _unjudged(control, f"it counts with {', '.join(rests.unseen)}")
    exceptions = (each for each in node.exceptions if each.control == control.id and each.hosts.matches(node.host))
    check = Check(
        control=control.id,
        impact=control.impact,
        kind="fixed",
        status=want.finding.status,
        reason=want.finding.reason,
        rests=rests.anchors,
        given=tuple((key_path(key), node.live(key)) for key in rests.keys),
        until=max((each.expires for each in exceptions), default=None),
    )
    if want.expect is None or (control.prefer is not None and want.prefer is None):
        # It does not apply, or what is expected could not be worked out: so it stays until something changes.
        return check
    try:
        return _compiled(check, want, want.expect, node)
    except IncomparableError as error:
        return _unjudged(control, str(error))


def _compiled(check: Check, want: Wanted, expect: Predicate, node: Node) -> Check | Unjudged:
    setting = want.control.setting
    match setting.kind:
        case "sysctl":
            return _sysctl(check, want, expect, node)
        case "module":
            return _module(check, expect, setting.target, node)
        case "file":
            return _file(check, expect, setting.target)
        case "ipvs":
            return _unjudged(want.control, "only ipvsadm tells the timeouts of IPVS")
        case "drop_in":
            return replace(check, rests=EVERYTHING)
        case "fact":
            return _fact(check, want, expect) if setting.target in FACTS else check


def _counting(control: Control) -> Iterator[Expression]:
    """The expressions whose value a verdict rests on, but for what a node computes by itself."""
    if control.when is not None:
        yield control.when
    if control.setting.fact is not None and control.setting.target not in FACTS:
        yield control.setting.fact
    for predicate in (control.expect, control.prefer):
        for term in predicate.terms if predicate is not None else ():
            if not is_demand(term.operand):
                yield from Predicate((term,)).expressions


def _sysctl(check: Check, want: Wanted, expect: Predicate, node: Node) -> Check | Unjudged:
    control = want.control
    key = control.setting.target
    sysctl = node.facts.sysctls.get(key)
    value = sysctl.value if sysctl is not None else Unavailable(Reason.ABSENT)
    if isinstance(value, Unavailable):
        if value.reason in {Reason.ABSENT, Reason.NOT_LOADED}:
            return replace(check, kind="absent", target=key_path(key))
        return _unjudged(control, f"its value could not be read: {value}")
    if control.state == "boot":
        return replace(check, rests=EVERYTHING)
    future = node.outlook.keys[key] if control.state == "both" else None
    return replace(
        _compared(check, want, expect, kind=kind_of(key), key=key),
        target=key_path(key),
        rests=(*check.rests, "later") if future is not None else check.rests,
        later=future.after_reboot.value if future is not None else None,
        is_overruled=future is not None and future.overruled != "",
    )


def _fact(check: Check, want: Wanted, expect: Predicate) -> Check | Unjudged:
    if want.finding.status == "skip":
        return _unjudged(want.control, f"its value could not be read: {want.finding.reason}")
    return replace(_compared(check, want, expect, kind="fact", key=None), target=want.control.setting.target)


def _compared(check: Check, want: Wanted, expect: Predicate, *, kind: CheckKind, key: str | None) -> Check:
    """The check with its conditions; the node gives the status and the reason."""
    written = want.control.prefer
    return replace(
        check,
        kind=kind,
        status="pass",
        reason="",
        expect=conditions(want.control.expect, expect, key),
        expected=in_words(want.control.expect, expect),
        prefer=conditions(written, want.prefer, key) if written is not None and want.prefer is not None else (),
        preferred=in_words(written, want.prefer) if written is not None and want.prefer is not None else "",
    )


def _module(check: Check, expect: Predicate, name: str, node: Node) -> Check:
    builtin = node.facts.builtin_modules
    if not isinstance(builtin, frozenset) or name in builtin or isinstance(node.facts.modules, Unavailable):
        return replace(check, rests=EVERYTHING)
    terms = tuple(Condition(word="loaded", arguments=(_yes(term.operand is True),)) for term in expect.terms)
    return _seen(check, "module", name, expect, terms)


def _file(check: Check, expect: Predicate, path: str) -> Check:
    terms = []
    for term in expect.terms:
        if term.name == "exists":
            terms.append(Condition(word="exists", arguments=(_yes(term.operand is True),)))
            continue
        content = str(term.operand).encode()
        if mask_file(path, content) != content:
            raise IncomparableError("secrets are masked in it before it is compared")
        terms.append(Condition(word="sum", arguments=(hashlib.sha256(content).hexdigest(),)))
    return _seen(check, "file", path, expect, tuple(terms))


def _seen(check: Check, kind: CheckKind, target: str, expect: Predicate, terms: tuple[Condition, ...]) -> Check:
    expected = expect.describe()
    return replace(check, kind=kind, target=target, status="pass", reason="", expect=terms, expected=expected)


def _yes(value: bool) -> str:  # noqa: FBT001 what it says
    return "yes" if value else "no"


def _unjudged(control: Control, reason: str) -> Unjudged:
    return Unjudged(control=control.id, impact=control.impact, reason=reason)
