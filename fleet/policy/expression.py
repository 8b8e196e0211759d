"""Expressions over facts: Jinja2, cut down to what reads data.

An expression sees mappings, lists, texts and numbers. It cannot call anything, reach an attribute of a Python object,
or compute something large, so that a profile from elsewhere can do no more than give a value.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import jinja2
from jinja2 import meta, nodes, sandbox

from fleet.model.facts import Unavailable

Value = str | int | float | bool | None | list["Value"]

_MAX_SOURCE = 500
_MAX_TEXT = 65_536
_MAX_BITS = 256
_FILTERS = ("abs", "default", "first", "float", "int", "last", "length", "list", "lower", "map", "max", "min",
            "reject", "select", "sort", "string", "sum", "trim", "unique", "upper")  # fmt: skip
_TESTS = ("boolean", "defined", "divisibleby", "eq", "even", "false", "float", "ge", "gt", "in", "integer", "le", "lt",
          "mapping", "ne", "none", "number", "odd", "sequence", "string", "true", "undefined")  # fmt: skip


class ExpressionError(Exception):
    """An expression cannot be read, or gives no value; the message is a clause such as ``uses unknown name 'x'``."""


class FactUnavailableError(Exception):
    """An expression used a fact that could not be read."""

    def __init__(self, fact: Unavailable) -> None:
        super().__init__(str(fact))
        self.fact = fact


class _Context(jinja2.runtime.Context):
    def resolve_or_missing(self, key: str) -> Any:  # noqa: ANN401  # as the base class has it
        return _available(super().resolve_or_missing(key))


class _Environment(sandbox.ImmutableSandboxedEnvironment):
    context_class = _Context
    intercepted_binops = frozenset(sandbox.SandboxedEnvironment.default_binop_table)

    def getattr(self, obj: object, attribute: str) -> Any:  # noqa: ANN401  # as the base class has it
        """Fields are members of mappings and nothing else, so that ``conntrack.count`` is never a Python method."""
        if isinstance(obj, Mapping) and attribute in obj:
            return _available(obj[attribute])
        if isinstance(obj, jinja2.Undefined):
            return obj
        return self.undefined(f"there is no field '{attribute}'")

    def getitem(self, obj: object, argument: Any) -> Any:  # noqa: ANN401  # as the base class has it
        if isinstance(obj, list | tuple | str) and isinstance(argument, int | slice):
            try:
                return _available(obj[argument])
            except IndexError:
                return self.undefined(f"there is no member {argument}")
        return self.getattr(obj, argument)

    def call_binop(self, context: jinja2.runtime.Context, operator: str, left: Any, right: Any) -> Any:  # noqa: ANN401  # as the base class has it
        joins = operator == "+" and type(left) is type(right) and isinstance(left, str | list)
        if not joins and not (isinstance(left, int | float) and isinstance(right, int | float)):
            raise ExpressionError(f"'{operator}' does not go with {_kind(left)} and {_kind(right)}")
        if operator == "**":
            raise ExpressionError("'**' is not available")
        if operator == "*" and _bits(left) + _bits(right) > _MAX_BITS:
            raise ExpressionError("the result is too large")
        return super().call_binop(context, operator, left, right)


def _available(value: Any) -> Any:  # noqa: ANN401  # data of any kind passes through
    if isinstance(value, Unavailable):
        raise FactUnavailableError(value)
    return value


def _bits(number: float) -> int:
    return number.bit_length() if isinstance(number, int) else 0


def _kind(value: object) -> str:
    names: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (jinja2.Undefined, "a value that is not there"),
        (type(None), "nothing"),
        (bool, "true or false"),
        (str, "a text"),
        ((int, float), "a number"),
        (Mapping, "a mapping"),
    )
    return next((name for kind, name in names if isinstance(value, kind)), "a list")


def _make_environment() -> _Environment:
    environment = _Environment(undefined=jinja2.StrictUndefined, cache_size=0)
    environment.globals.clear()
    environment.filters = {name: environment.filters[name] for name in _FILTERS}
    environment.tests = {name: environment.tests[name] for name in _TESTS} | {
        symbol: environment.tests[symbol] for symbol in ("==", "!=", "<", "<=", ">", ">=")
    }
    return environment


_ENVIRONMENT = _make_environment()


@dataclass(frozen=True, slots=True)
class Expression:
    """One compiled expression; equal to another with the same source.

    Attributes:
        source: as written, without braces.
        names: the top-level names it uses.
        fields: each ``name.field`` or ``name['field']`` it uses, as pairs.
        reads: the fields and, with None, the names that it uses otherwise: its value follows from these alone.
    """

    source: str
    names: frozenset[str] = field(compare=False)
    fields: frozenset[tuple[str, str]] = field(compare=False)
    reads: tuple[tuple[str, str | None], ...] = field(compare=False)
    _run: Callable[..., Any] = field(compare=False, repr=False)

    def evaluate(self, context: Mapping[str, object]) -> Value:
        """Give the value over the names of a context.

        Raises:
            FactUnavailableError: a fact that it needs could not be read on the node.
            ExpressionError: it gives no value; the message says why.
        """
        try:
            return _plain(self._run({name: context[name] for name in self.names if name in context}))
        except FactUnavailableError:
            raise
        except ExpressionError as error:
            raise ExpressionError(f"'{self.source}' gives no value: {error}") from None
        except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError) as error:
            raise ExpressionError(f"'{self.source}' gives no value: {_reason(error)}") from None

    def __str__(self) -> str:
        return self.source

    def __reduce__(self) -> tuple[object, ...]:
        # What Jinja2 has compiled cannot be sent to another process; its source can.
        return compile_expression, (self.source,)


def compile_expression(source: str) -> Expression:
    """Read one expression, without braces.

    Raises:
        ExpressionError: it is not one.
    """
    source = source.strip()
    if len(source) > _MAX_SOURCE:
        raise ExpressionError(f"is longer than {_MAX_SOURCE} characters")
    try:
        run = _ENVIRONMENT.compile_expression(source, undefined_to_none=False)
        # The call above has made sure that the source is one expression, so it cannot end the braces early.
        tree = _ENVIRONMENT.parse("{{ " + source + " }}")
        tree_fields = frozenset(_fields(tree))
    except jinja2.TemplateSyntaxError as error:
        raise ExpressionError(f"'{source}' is not an expression: {error.message}") from None
    except (RecursionError, SyntaxError, MemoryError):
        raise ExpressionError("is nested too deeply") from None
    if tree.find(nodes.Call):
        raise ExpressionError(f"'{source}' calls something: only names, operators and filters are available")
    names = frozenset(meta.find_undeclared_variables(tree))
    return Expression(source, names, tree_fields, (*sorted(tree_fields), *_used_whole(tree, names)), run)


def embedded_expression(text: str) -> str | None:
    """Give the source inside ``{{ … }}`` when that is the whole text, or None when the text has no braces.

    Raises:
        ExpressionError: braces are only a part of the text.
    """
    stripped = text.strip()
    if stripped.startswith("{{") and stripped.endswith("}}"):
        return stripped[2:-2]
    if "{{" in text or "{%" in text:
        raise ExpressionError("an expression '{{ … }}' must be the whole value")
    return None


def _fields(tree: nodes.Template) -> Iterator[tuple[str, str]]:
    for attribute in tree.find_all(nodes.Getattr):
        if isinstance(attribute.node, nodes.Name):
            yield attribute.node.name, attribute.attr
    for item in tree.find_all(nodes.Getitem):
        if not isinstance(item.node, nodes.Name):
            continue
        if isinstance(item.arg, nodes.Const) and isinstance(item.arg.value, str):
            yield item.node.name, item.arg.value
        elif item.node.name == "sysctl":
            raise jinja2.TemplateSyntaxError("sysctl[…] needs a key in quotes", item.lineno)


def _used_whole(tree: nodes.Template, names: frozenset[str]) -> Iterator[tuple[str, None]]:
    """The names that stand somewhere else than in front of a field."""
    in_front = [id(attribute.node) for attribute in tree.find_all(nodes.Getattr)]
    in_front += [
        id(item.node)
        for item in tree.find_all(nodes.Getitem)
        if isinstance(item.arg, nodes.Const) and isinstance(item.arg.value, str)
    ]
    whole = {name.name for name in tree.find_all(nodes.Name) if id(name) not in in_front}
    for name in sorted(whole & names):
        yield name, None


def _plain(value: object) -> Value:
    if isinstance(value, jinja2.Undefined):
        raise ExpressionError(str(value._undefined_message))  # noqa: SLF001  # the only way to it without failing
    if isinstance(value, list | tuple):
        return [_plain(_available(member)) for member in value]
    if value is not None and not isinstance(value, str | int | float):
        raise ExpressionError(f"the result is {_kind(value)}, not a value")
    if isinstance(value, str) and len(value) > _MAX_TEXT:
        raise ExpressionError("the result is too large")
    if isinstance(value, float) and not math.isfinite(value):
        raise ExpressionError("the result is not a finite number")
    return value


def _reason(error: Exception) -> str:
    if isinstance(error, jinja2.UndefinedError):
        return str(error.message)
    if isinstance(error, ZeroDivisionError):
        return "division by zero"
    return str(error) or "it cannot be calculated"
