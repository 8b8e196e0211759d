"""What a control would have written on one node, and why it may not be."""

from collections.abc import Mapping
from dataclasses import dataclass

from fleet.kernel.catalogue import known_key
from fleet.kernel.values import bounded_numbers, normalise
from fleet.model.finding import Finding
from fleet.policy.control import Control
from fleet.policy.expression import ExpressionError, FactUnavailableError
from fleet.policy.predicate import Operand, Predicate, PredicateError, plain, resolve_operand


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One control on one node, as a plan needs it.

    Attributes:
        finding: the verdict, exceptions included.
        expect: what is acceptable; None where the control does not apply.
        prefer: what is better; None where there is no such thing, or where it could not be computed.
        value: what would be written, as the kernel prints it; None where the control only looks or ``problem`` is set.
        problem: why what the control computes may not be written; else empty.
    """

    control: Control
    finding: Finding
    expect: Predicate | None
    prefer: Predicate | None
    value: str | None
    problem: str = ""

    @property
    def is_held(self) -> bool:
        """Whether the node has to be as the control says."""
        return self.expect is not None and self.finding.status != "skip"

    def accepts(self, value: str | None) -> bool:
        """Whether a value of a sysctl key is neither refused nor worse than preferred."""
        if value is None:
            return False
        key = self.control.setting.key
        try:
            return all(each.check(value, key=key) is None for each in (self.expect, self.prefer) if each is not None)
        except PredicateError:
            return False


def wanted(control: Control, finding: Finding, expect: Predicate | None, context: Mapping[str, object]) -> Wanted:
    """Compute what a control would write, and hold it against its bounds and those of the catalogue.

    Args:
        control: of the policy.
        finding: its verdict on the node.
        expect: resolved; None where the control does not apply.
        context: names for expressions.
    """
    prefer: Predicate | None = None
    value: str | None = None
    problem = ""
    if expect is not None:
        try:
            prefer = control.prefer.resolve(context) if control.prefer else None
            value = _text(resolve_operand(control.set, context))
            problem = _violation(control, value, context) if value is not None else ""
        except FactUnavailableError as error:
            problem = f"what would be written is not known: {error.fact}"
        except ExpressionError as error:
            problem = f"what would be written cannot be computed: {error}"
    if problem:
        value = None
    elif value is not None and control.setting.key is not None:
        value = normalise(control.setting.key, value)
    return Wanted(control=control, finding=finding, expect=expect, prefer=prefer, value=value, problem=problem)


def _text(value: Operand) -> str | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return None if value is None else str(value)


def _violation(control: Control, value: str, context: Mapping[str, object]) -> str:
    """Why a value may not be written; empty where it may."""
    name = control.setting.key
    if name is None:
        return ""
    if not value.isprintable():
        return f"{plain(value)} is not a value of one line"
    key = known_key(name)
    try:
        numbers = bounded_numbers(name, value)
    except ValueError as error:
        return f"what would be written is refused: {error}"
    limits = [(control.lowest, control.highest, "the control's bounds")]
    if key is not None and key.bounds is not None:
        limits.append((key.bounds.at_least, key.bounds.at_most, key.bounds.source))
    for lowest, highest, source in limits:
        low, high = resolve_operand(lowest, context), resolve_operand(highest, context)
        for number in numbers:
            if (isinstance(low, int | float) and number < low) or (isinstance(high, int | float) and number > high):
                least, most = ("any" if end is None else plain(end) for end in (low, high))
                return f"{plain(value)} would be written, which is out of bounds: {least} to {most} ({source})"
    return ""
