"""Conditions as a node compares them."""

from collections.abc import Iterator, Sequence

from fleet.kernel.catalogue import known_key
from fleet.kernel.key import Kind
from fleet.kernel.number import parse_number
from fleet.kernel.portset import PortSet
from fleet.kernel.values import fold, normalise
from fleet.plan.checker.basis import DEMAND
from fleet.plan.checker.checks import CheckKind, Condition
from fleet.policy.expression import Expression
from fleet.policy.predicate import Operand, Predicate

_KINDS: dict[Kind, CheckKind] = {
    Kind.INT: "number",
    Kind.BOOL: "number",
    Kind.PORT_RANGE: "range",
    Kind.PORT_LIST: "ports",
}


class IncomparableError(Exception):
    """A condition that only the controller can compare."""


def kind_of(key: str) -> CheckKind:
    """How a node reads the value of a key."""
    known = known_key(key)
    return _KINDS[known.kind] if known is not None else "text"


def conditions(written: Predicate, resolved: Predicate, key: str | None) -> tuple[Condition, ...]:
    """What a node compares for a sysctl key, or for a number where there is no key.

    Args:
        written: as the control has it.
        resolved: with the values of its expressions.
        key: in dots.

    Raises:
        IncomparableError: there is a condition that a node cannot compare.
    """
    return tuple(_conditions(written, resolved, key))


def in_words(written: Predicate, resolved: Predicate) -> str:
    """The conditions in words, which name what a node computes by itself."""
    pairs = zip(written.terms, resolved.terms, strict=True)
    return Predicate(tuple(source if is_demand(source.operand) else term for source, term in pairs)).describe()


def is_demand(operand: Operand) -> bool:
    """Whether a node computes an operand by itself."""
    return isinstance(operand, Expression) and operand.source == DEMAND


def _conditions(written: Predicate, resolved: Predicate, key: str | None) -> Iterator[Condition]:
    for source, term in zip(written.terms, resolved.terms, strict=True):
        members = term.operand if isinstance(term.operand, tuple | list) else (term.operand,)
        match term.name:
            case "equals" | "one_of":
                yield Condition(word="is", arguments=tuple(_same(member, key) for member in members))
            case "at_least" | "at_most":
                number = f"@{DEMAND}" if is_demand(source.operand) else _number(term.operand)
                yield Condition(word=term.name.replace("_", "-"), arguments=(number,))
            case "covers" | "avoids" if key is not None:
                yield Condition(word=term.name, arguments=(_ports(members),))
            case _:
                raise IncomparableError(f"'{term.name}' is not compared there")


def _same(operand: object, key: str | None) -> str:
    if key is None:
        return _number(operand)
    try:
        return normalise(key, str(operand))
    except ValueError:
        return fold(str(operand))


def _number(operand: object) -> str:
    try:
        number = parse_number(operand) if isinstance(operand, str) else operand
    except ValueError:
        number = None
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if not isinstance(number, int | float) or isinstance(number, bool):
        raise IncomparableError("it is compared with something that is no number")
    return repr(number)


def _ports(members: Sequence[object]) -> str:
    try:
        return str(PortSet.parse(",".join(map(str, members))))
    except ValueError:
        raise IncomparableError("it is compared with something that is no list of ports") from None
