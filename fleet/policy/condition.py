"""Conditions on hosts, as data."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import translate
from functools import lru_cache
from itertools import chain

from fleet.policy.host import HostView

_GLOB = re.compile(r"[*?\[]")
_WORD = re.compile(r"""[^\s(),="']+""")


@dataclass(frozen=True, slots=True)
class Condition(ABC):
    """A condition on hosts; ``str()`` gives text that reads back as an equal condition."""

    @abstractmethod
    def why(self, host: HostView) -> str | None:
        """Say in words why a host is selected, or None when it is not."""

    @abstractmethod
    def atoms(self) -> "Iterator[Atom]":
        """Every atom, from left to right."""

    def matches(self, host: HostView) -> bool:
        """Whether a host is selected."""
        return self.why(host) is not None


@dataclass(frozen=True, slots=True)
class Atom(Condition):
    """A condition that names something of the inventory; ``column`` is where it stands in the text, from 1."""

    column: int = field(default=1, compare=False, kw_only=True)

    def atoms(self) -> "Iterator[Atom]":
        yield self


@dataclass(frozen=True, slots=True)
class Everything(Atom):
    """``all``."""

    def why(self, host: HostView) -> str | None:  # noqa: ARG002  # every host
        return "all"

    def __str__(self) -> str:
        return "all"


@dataclass(frozen=True, slots=True)
class Named(Atom):
    """A host name or glob, a group, or a data field that is set to something; quoted text is never a glob."""

    text: str
    quoted: bool = False

    def why(self, host: HostView) -> str | None:
        if self.names_host(host):
            return f"name {self.text}"
        if self.text in host.groups:
            return f"group {self.text}"
        if not self.quoted and lookup(host.data, self.text):
            return f"{self.text} is set"
        return None

    def names_host(self, host: HostView) -> bool:
        if self.quoted or not _GLOB.search(self.text):
            return host.name == self.text
        return _glob(self.text).match(host.name) is not None

    def __str__(self) -> str:
        return _quote(self.text) if self.quoted else self.text


@dataclass(frozen=True, slots=True)
class Field(Atom):
    """A data field, dotted for one inside another, that has a value; ``true`` and ``3`` as in the inventory."""

    path: str
    value: str

    def why(self, host: HostView) -> str | None:
        return f"{self.path}={self.value}" if _text(lookup(host.data, self.path)) == self.value else None

    def __str__(self) -> str:
        return f"{self.path}={self.value if _is_word(self.value) else _quote(self.value)}"


@dataclass(frozen=True, slots=True)
class Not(Condition):
    """Hosts that the operand does not select."""

    operand: Condition

    def why(self, host: HostView) -> str | None:
        return None if self.operand.matches(host) else str(self)

    def atoms(self) -> Iterator[Atom]:
        return self.operand.atoms()

    def __str__(self) -> str:
        return f"not {_in_parentheses(self.operand, And, Or)}"


@dataclass(frozen=True, slots=True)
class And(Condition):
    """Hosts that every operand selects."""

    operands: tuple[Condition, ...]

    def why(self, host: HostView) -> str | None:
        reasons = []
        for operand in self.operands:
            reason = operand.why(host)
            if reason is None:
                return None
            reasons.append(reason)
        return " and ".join(reasons)

    def atoms(self) -> Iterator[Atom]:
        return chain.from_iterable(operand.atoms() for operand in self.operands)

    def __str__(self) -> str:
        return " and ".join(_in_parentheses(operand, And, Or) for operand in self.operands)


@dataclass(frozen=True, slots=True)
class Or(Condition):
    """Hosts that one of the operands selects."""

    operands: tuple[Condition, ...]

    def why(self, host: HostView) -> str | None:
        return next((reason for operand in self.operands if (reason := operand.why(host)) is not None), None)

    def atoms(self) -> Iterator[Atom]:
        return chain.from_iterable(operand.atoms() for operand in self.operands)

    def __str__(self) -> str:
        return " or ".join(_in_parentheses(operand, Or) for operand in self.operands)


def lookup(data: Mapping[str, object], path: str) -> object:
    """Give the value of a field such as ``site.rack``, or None where there is none."""
    if path in data:
        return data[path]
    value: object = data
    for step in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return value


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None


@lru_cache(maxsize=256)
def _glob(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern))


def _quote(text: str) -> str:
    return f"'{text}'" if '"' in text else f'"{text}"'


def _is_word(text: str) -> bool:
    return _WORD.fullmatch(text) is not None


def _in_parentheses(condition: Condition, *kinds: type[Condition]) -> str:
    return f"({condition})" if isinstance(condition, kinds) else str(condition)
