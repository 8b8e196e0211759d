"""Which hosts are meant: ``k3s and not maintenance``, ``web-*, role=db``, ``site.rack=3``.

Grammar, loosest binding first; a comma is an ``or``::

    selection = both {("or" | ",") both}
    both      = one {"and" one}
    one       = "not" one | "(" selection ")" | atom
    atom      = word | quoted | word "=" (word | quoted)
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from fleet.document import did_you_mean
from fleet.model.errors import UsageError
from fleet.policy.condition import And, Condition, Everything, Field, Named, Not, Or, lookup
from fleet.policy.host import HostView

_MAX_TEXT = 65_536
_MAX_DEPTH = 50
_KEYWORDS = frozenset({"and", "or", "not"})
_TOKEN = re.compile(r"""\s*(?:(?P<sign>[(),=])|(?P<quoted>"[^"]*"|'[^']*')|(?P<word>[^\s(),="']+)|(?P<other>\S))""")


class SelectionError(UsageError):
    """A selection that cannot be read, or that names what the inventory does not have.

    Args:
        message: what is wrong.
        text: the selection as given.
        column: from 1, where in the text.
        hint: what to do.
    """

    def __init__(self, message: str, *, text: str, column: int, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.text = text
        self.column = column
        self.hint = hint

    def __str__(self) -> str:
        shown = re.sub(r"\s", " ", self.text)
        lines = [f"{self.message}, column {self.column}", f"  {shown}", " " * (self.column + 1) + "^", self.hint]
        return "\n".join(lines).rstrip("\n")


@dataclass(frozen=True, slots=True)
class Selection:
    """A condition on hosts, with the text it was read from; ``str()`` gives text that reads back as an equal one."""

    condition: Condition
    text: str = field(compare=False)

    def matches(self, host: HostView) -> bool:
        """Whether a host is selected."""
        return self.condition.matches(host)

    def __str__(self) -> str:
        return str(self.condition)


@dataclass(frozen=True, slots=True)
class Selected:
    """A selected host and why, such as ``group k3s``, ``name web-*`` or ``role=db``."""

    host: HostView
    why: str


def parse_selection(text: str) -> Selection:
    """Read a selection.

    Raises:
        SelectionError: with the column of what is wrong.
    """
    return Selection(_Parser(text).parse(), text)


def select(selection: Selection, hosts: Sequence[HostView], groups: Iterable[str] = ()) -> tuple[Selected, ...]:
    """Give the selected hosts, in the inventory's order; it is for the caller to refuse when there are none.

    Args:
        selection: from `parse_selection`.
        hosts: the whole inventory.
        groups: groups that the inventory declares, so that one without hosts is known too.

    Raises:
        SelectionError: as `check_atoms`.
    """
    check_atoms(selection, hosts, groups)
    return tuple(Selected(host, why) for host in hosts if (why := selection.condition.why(host)) is not None)


def check_atoms(selection: Selection, hosts: Sequence[HostView], groups: Iterable[str] = ()) -> None:
    """Make sure that the inventory has every name that a selection uses.

    A mistyped name selects nothing, so behind a ``not`` it would select everything.

    Raises:
        SelectionError: no host, group or data field has the name; the hint is the nearest one that exists.
    """
    names = {host.name for host in hosts}
    known_groups = {group for host in hosts for group in host.groups} | set(groups)
    for atom in selection.condition.atoms():
        match atom:
            case Named():
                known = (
                    atom.text in names
                    or atom.text in known_groups
                    or any(atom.names_host(host) for host in hosts)
                    or (not atom.quoted and any(lookup(host.data, atom.text) is not None for host in hosts))
                )
                what, name = "host, group or data field", atom.text
            case Field():
                known = any(lookup(host.data, atom.path) is not None for host in hosts)
                what, name = "data field", atom.path
            case _:
                continue
        if not known:
            fields = {name for host in hosts for name in host.data}
            valid = fields if isinstance(atom, Field) else names | known_groups | fields
            hint = did_you_mean(name, valid)
            raise SelectionError(
                f"the inventory has no {what} '{name}'", text=selection.text, column=atom.column, hint=hint
            )


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # sign, keyword, word, quoted or end
    text: str
    column: int


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._depth = 0
        if len(text) > _MAX_TEXT:
            raise self._error(f"the selection is longer than {_MAX_TEXT} characters", 1)
        self._tokens = list(self._tokenize())
        self._next = 0

    def parse(self) -> Condition:
        if self._peek().kind == "end":
            raise self._error("the selection is empty", 1, "'all' selects every host")
        condition = self._either()
        if (token := self._peek()).kind != "end":
            raise self._error(f"expected 'and', 'or' or a comma before '{token.text}'", token.column)
        return condition

    def _either(self) -> Condition:
        operands = [self._both()]
        while self._take("or") or self._take(","):
            operands.append(self._both())
        return Or(tuple(operands)) if len(operands) > 1 else operands[0]

    def _both(self) -> Condition:
        operands = [self._one()]
        while self._take("and"):
            operands.append(self._one())
        return And(tuple(operands)) if len(operands) > 1 else operands[0]

    def _one(self) -> Condition:
        token = self._peek()
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._error(f"nested more than {_MAX_DEPTH} levels deep", token.column)
        if self._take("not"):
            condition: Condition = Not(self._one())
        elif self._take("("):
            condition = self._either()
            if not self._take(")"):
                raise self._error(f"the parenthesis of column {token.column} is not closed", self._peek().column)
        else:
            condition = self._atom()
        self._depth -= 1
        return condition

    def _atom(self) -> Condition:
        token = self._peek()
        if token.kind not in {"word", "quoted"}:
            what = "the end" if token.kind == "end" else f"'{token.text}'"
            raise self._error(f"expected a host, group or field before {what}", token.column)
        self._next += 1
        if token.kind == "word" and self._take("="):
            value = self._peek()
            if value.kind not in {"word", "keyword", "quoted"}:
                raise self._error(f"expected a value after '{token.text}='", value.column)
            if token.text.endswith("!"):
                hint = f"write 'not {token.text[:-1]}={value.text}'"
                raise self._error("there is no '!='", value.column - 2, hint)
            self._next += 1
            return Field(token.text, value.text, column=token.column)
        if token.kind == "word" and token.text == "all":
            return Everything(column=token.column)
        if token.kind == "word" and token.text.startswith("!"):
            raise self._error(f"'{token.text}' begins with '!'", token.column, f"write 'not {token.text[1:]}'")
        return Named(token.text, token.kind == "quoted", column=token.column)

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self, text: str) -> bool:
        token = self._peek()
        if token.text == text and token.kind in {"sign", "keyword"}:
            self._next += 1
            return True
        return False

    def _tokenize(self) -> Iterator[_Token]:
        for match in _TOKEN.finditer(self._text):
            kind = str(match.lastgroup)
            column = match.start(kind) + 1
            text = match[kind]
            if kind == "other":
                raise self._error("the quote is not closed", column)
            if kind == "quoted":
                text = text[1:-1]
            elif text in _KEYWORDS:
                kind = "keyword"
            yield _Token(kind, text, column)
        yield _Token("end", "", len(self._text.rstrip()) + 1)

    def _error(self, message: str, column: int, hint: str = "") -> SelectionError:
        return SelectionError(message, text=self._text, column=column, hint=hint)
