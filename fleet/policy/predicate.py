"""What is acceptable for a setting, apart from what would be written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fleet.kernel.number import parse_number
from fleet.kernel.portset import PortSet
from fleet.kernel.values import equal, ports_of
from fleet.model.text import printable
from fleet.policy.expression import Expression, Value

TermName = Literal[
    "equals", "at_least", "at_most", "one_of", "covers", "avoids", "loaded", "exists", "content", "empty"
]
Operand = Value | tuple[Value | Expression, ...] | Expression

_SHOWN = 120
_EXACT_BELOW = 1000


class PredicateError(Exception):
    """A value, or an operand that an expression gave, is of a kind that the predicate cannot judge."""


@dataclass(frozen=True, slots=True)
class Term:
    """One condition, such as ``at_least: 131072``; the operand may be an expression until it is resolved."""

    name: TermName
    operand: Operand


@dataclass(frozen=True, slots=True)
class Predicate:
    """Conditions that must all hold."""

    terms: tuple[Term, ...]

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """Every expression that an operand is made of."""
        operands = [part for term in self.terms for part in _parts(term.operand)]
        return tuple(part for part in operands if isinstance(part, Expression))

    def resolve(self, context: Mapping[str, object]) -> "Predicate":
        """Put the values of expressions in their place.

        Raises:
            ExpressionError, FactUnavailableError: as `Expression.evaluate`.
        """
        return Predicate(tuple(Term(term.name, resolve_operand(term.operand, context)) for term in self.terms))

    def describe(self) -> str:
        """Say in words what is acceptable: ``1``, ``at least 262144``, ``75 or less``, ``1 to 600``."""
        operands: dict[TermName, object] = {term.name: term.operand for term in self.terms}
        words = []
        if "at_least" in operands and "at_most" in operands:
            words.append(f"{plain(operands.pop('at_least'))} to {plain(operands.pop('at_most'))}")
        words += [_RULES[name].words(operand) for name, operand in operands.items()]
        return " and ".join(words)

    def check(self, value: object, *, key: str | None = None, wish: str = "expected") -> str | None:
        """Judge a value by resolved conditions.

        Args:
            value: the text of a sysctl, the value of a fact, whether a module is loaded, or the content of a file
                (None where there is no such file).
            key: the sysctl key, so that texts compare as the kernel means them; None for other settings.
            wish: the word before what is acceptable.

        Returns:
            None when the value is acceptable, else what it is and what was expected, to follow the setting's name.

        Raises:
            PredicateError: the value or an operand cannot be judged.
        """
        if all(_RULES[term.name].holds(value, term.operand, key) for term in self.terms):
            return None
        return f"{self.describe_value(value)}, {wish} {self.describe()}"

    def describe_value(self, value: object) -> str:
        """Say what a value is, in the words that suit the conditions: ``is 1``, ``is loaded``, ``is absent``."""
        names = self._names
        if "loaded" in names:
            return "is loaded" if value else "is not loaded"
        if names & {"exists", "content"} and value is None:
            return "is absent"
        if "content" in names:
            same = all(_RULES[term.name].holds(value, term.operand, None) for term in self.terms)
            return "has the content that the control gives" if same else "has other content"
        if "exists" in names:
            return "is present"
        return f"{'has' if 'empty' in names else 'is'} {plain(value)}"

    @property
    def _names(self) -> frozenset[TermName]:
        return frozenset(term.name for term in self.terms)


def _equal(value: object, operand: object, key: str | None) -> bool:
    if key is not None:
        return equal(key, str(value), str(operand))
    # In Python 1 == True, which no reader of a profile means.
    return isinstance(value, bool) is isinstance(operand, bool) and value == operand


def _number(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        try:
            return parse_number(value)
        except ValueError:
            pass
    raise PredicateError(f"{plain(value)} is not a number")


def _ports(value: object, key: str | None = None) -> PortSet:
    try:
        if isinstance(value, list | tuple):
            return PortSet.parse(",".join(str(port) for port in value))
        return ports_of(key, str(value)) if key is not None else PortSet.parse(str(value))
    except ValueError as error:
        raise PredicateError(f"{plain(value)} is not a list of ports: {error}") from None


def _members(operand: object) -> Sequence[object]:
    return operand if isinstance(operand, tuple | list) else (operand,)


def _parts(operand: Operand) -> tuple[object, ...]:
    return operand if isinstance(operand, tuple) else (operand,)


def resolve_operand(operand: Operand, context: Mapping[str, object]) -> Operand:
    """Put the values of expressions in their place.

    Raises:
        ExpressionError, FactUnavailableError: as `Expression.evaluate`.
    """
    if isinstance(operand, tuple):
        return tuple(_resolved_part(part, context) for part in operand)
    return _resolved_part(operand, context)


def _resolved_part(part: Value | Expression, context: Mapping[str, object]) -> Value:
    return part.evaluate(context) if isinstance(part, Expression) else part


def plain(value: object) -> str:
    """Show a value as the kernel would print it, with text of a node made safe."""
    match value:
        case bool() | None:
            return {True: "true", False: "false", None: "not set"}[value]
        case float():
            return f"{value:.4g}" if abs(value) < _EXACT_BELOW else f"{value:.0f}"
        case list() | tuple():
            return ", ".join(plain(member) for member in value) or "none"
        case Expression():
            return f"{{{{ {value} }}}}"
        case _:
            return printable(str(value), _SHOWN) or "empty"


@dataclass(frozen=True, slots=True)
class _Rule:
    """How one kind of condition judges (value, operand, key), and its operand in words."""

    holds: Callable[[object, object, str | None], bool]
    words: Callable[[object], str]


_RULES: Mapping[TermName, _Rule] = {
    "equals": _Rule(
        _equal,
        plain,
    ),
    "one_of": _Rule(
        lambda value, operand, key: any(_equal(value, member, key) for member in _members(operand)),
        lambda operand: " or ".join(plain(member) for member in _members(operand)),
    ),
    "at_least": _Rule(
        lambda value, operand, _: _number(value) >= _number(operand),
        lambda operand: f"at least {plain(operand)}",
    ),
    "at_most": _Rule(
        lambda value, operand, _: _number(value) <= _number(operand),
        lambda operand: f"{plain(operand)} or less",
    ),
    "covers": _Rule(
        lambda value, operand, key: _ports(value, key).covers(_ports(operand)),
        lambda operand: f"all ports of {plain(operand)}",
    ),
    "avoids": _Rule(
        lambda value, operand, key: not _ports(value, key).overlaps(_ports(operand)),
        lambda operand: f"no port of {plain(operand)}",
    ),
    "loaded": _Rule(
        lambda value, operand, _: value is operand,
        lambda operand: "loaded" if operand else "not loaded",
    ),
    "exists": _Rule(
        lambda value, operand, _: (value is not None) is operand,
        lambda operand: "present" if operand else "absent",
    ),
    "content": _Rule(
        lambda value, operand, _: value == str(operand).encode(),
        lambda _: "the content that the control gives",
    ),
    "empty": _Rule(
        lambda value, operand, _: (not value) is operand,
        lambda operand: "none" if operand else "at least one",
    ),
}
