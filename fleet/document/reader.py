"""Bytes to plain data: a strict subset of YAML.

YAML's rarely used corners are refused rather than guessed at: tags, merge keys, several documents, keys that are not
text, tab characters. One pass over the parser's events, so depth and size are bounded while reading.
"""

import hashlib
import re
from dataclasses import dataclass, field
from typing import cast

import yaml

from fleet.document.document import Document, Entry, Position, refusal
from fleet.document.scalar import resolve_scalar
from fleet.model.errors import DocumentError

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 64
MAX_ALIASED_NODES = 1_000_000

# Tabs look like blanks, and the rest are line breaks of YAML 1.1 only, or invisible.
_REFUSED = re.compile("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_LINE_BREAK = re.compile("\r\n|\r|\n")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CURES = {
    "mapping values are not allowed": "quote a value that contains ': ', and line up the keys of one mapping",
    "could not find expected ':'": "each key is followed by ': ' and its value",
    "did not find expected key": "line up the keys of one mapping, and quote values with special characters",
    "found character that cannot start any token": "quote a value that begins with @, ` or %",
    "found unexpected end of stream": "a quote or bracket is not closed",
}


def parse(text: bytes, path: str) -> Document:
    """Read one YAML document.

    Args:
        text: the whole file, in UTF-8.
        path: the file as the operator named it, for messages.

    Raises:
        DocumentError: with line and column of what is wrong.
    """
    decoded = _decode(text, path)
    builder = _Builder(path=path, sha256=hashlib.sha256(text).hexdigest())
    try:
        for event in yaml.parse(decoded, Loader=_LOADER):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, path) from None
    return builder.finish()


def _decode(text: bytes, path: str) -> str:
    if len(text) > MAX_BYTES:
        raise DocumentError(f"is larger than {MAX_BYTES // 1024 // 1024} MiB", path=path, hint="split the file")
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError as error:
        at = _place(text[: error.start].decode("utf-8"))
        message = f"byte 0x{text[error.start]:02x} is not UTF-8"
        raise refusal(message, path=path, at=at, hint="save the file as UTF-8") from None
    decoded = decoded.removeprefix("\ufeff")
    if refused := _REFUSED.search(decoded):
        name, hint = f"character U+{ord(refused[0]):04X}", "remove it, or write it as an escape in double quotes"
        if refused[0] == "\t":
            name, hint = "tab character", 'use blanks; in double quotes a tab is written "\\t"'
        at = _place(decoded[: refused.start()])
        raise refusal(f"{name} is not allowed", path=path, at=at, hint=hint)
    return decoded


def _place(before: str) -> Position:
    """Line and column of what follows the given text."""
    lines = _LINE_BREAK.split(before)
    return len(lines), len(lines[-1]) + 1


def _syntax_error(error: yaml.MarkedYAMLError, path: str) -> DocumentError:
    mark = error.problem_mark or error.context_mark
    problem = " ".join(str(part) for part in (error.problem, error.context) if part)
    cure = next((cure for words, cure in _CURES.items() if words in problem), "")
    message = f"not valid YAML: {problem}"
    if mark is None:
        return DocumentError(message, path=path, hint=cure)
    return refusal(message, path=path, at=(mark.line + 1, mark.column + 1), hint=cure)


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end has not been read yet."""

    container: dict[str, object] | list[object]
    start: Position
    anchor: str | None
    first_node: int
    entries: dict[str | int, Entry] = field(default_factory=dict)
    key: tuple[str, Position] | None = None


@dataclass(slots=True, kw_only=True)
class _Builder:
    """Builds data from events; counts nodes, with those behind aliases, so that a small file stays a small value."""

    path: str
    sha256: str
    open: list[_Open] = field(default_factory=list)
    anchors: dict[str, tuple[object, int]] = field(default_factory=dict)
    entries: dict[int, dict[str | int, Entry]] = field(default_factory=dict)
    documents: int = 0
    nodes: int = 0
    aliased_nodes: int = 0
    root: tuple[object, Position] | None = None

    def take(self, event: yaml.Event) -> None:
        mark = cast("yaml.Mark", event.start_mark)  # only events made by hand have none
        at = (mark.line + 1, mark.column + 1)
        match event:
            case yaml.ScalarEvent():
                self._scalar(event, at)
            case yaml.MappingStartEvent():
                self._start({}, event, at)
            case yaml.SequenceStartEvent():
                self._start([], event, at)
            case yaml.CollectionEndEvent():
                self._end()
            case yaml.AliasEvent():
                self._alias(str(event.anchor), at)
            case yaml.DocumentStartEvent():
                self._document(event, at)
            case _:
                pass

    def finish(self) -> Document:
        if self.root is None:
            raise DocumentError("the file is empty", path=self.path, line=1, column=1)
        data, position = self.root
        return Document(path=self.path, data=data, root=position, entries=self.entries, sha256=self.sha256)

    def _refuse(self, message: str, at: Position, hint: str = "") -> DocumentError:
        return refusal(message, path=self.path, at=at, hint=hint)

    def _document(self, event: yaml.DocumentStartEvent, at: Position) -> None:
        self.documents += 1
        if self.documents > 1:
            raise self._refuse("a second document begins", at, "one file holds one document: remove the '---'")
        if event.version or event.tags:
            raise self._refuse("YAML directives are not allowed", at, "remove the lines that begin with '%'")

    def _scalar(self, event: yaml.ScalarEvent, at: Position) -> None:
        self._check_tag(event.tag, at)
        self.nodes += 1
        plain = event.implicit[0]
        if self._awaits_key():
            self._take_key(event.value, plain=plain, at=at)
            return
        value = resolve_scalar(event.value) if plain else event.value
        if event.anchor:
            self.anchors[event.anchor] = (value, 1)
        self._add(value, at)

    def _start(
        self, container: dict[str, object] | list[object], event: yaml.CollectionStartEvent, at: Position
    ) -> None:
        self._check_tag(event.tag, at)
        if self._awaits_key():
            raise self._refuse("a key is a list or mapping", at, "keys are text")
        if len(self.open) == MAX_DEPTH:
            raise self._refuse(f"nested more than {MAX_DEPTH} levels deep", at)
        self.open.append(_Open(container, at, event.anchor, self.nodes + self.aliased_nodes))
        self.nodes += 1

    def _end(self) -> None:
        ended = self.open.pop()
        self.entries[id(ended.container)] = ended.entries
        if ended.anchor:
            size = self.nodes + self.aliased_nodes - ended.first_node
            self.anchors[ended.anchor] = (ended.container, size)
        self._add(ended.container, ended.start)

    def _alias(self, anchor: str, at: Position) -> None:
        if self._awaits_key():
            raise self._refuse(f"a key is the alias '*{anchor}'", at, "write the key itself")
        if any(container.anchor == anchor for container in self.open):
            raise self._refuse(f"alias '*{anchor}' stands inside what it stands for", at)
        if anchor not in self.anchors:
            raise self._refuse(f"alias '*{anchor}' has no anchor", at, f"write '&{anchor}' before the value it repeats")
        value, size = self.anchors[anchor]
        self.aliased_nodes += size
        if self.aliased_nodes > MAX_ALIASED_NODES:
            raise self._refuse(f"aliases repeat more than {MAX_ALIASED_NODES:,} values", at)
        self._add(value, at)

    def _check_tag(self, tag: str | None, at: Position) -> None:
        if tag is not None:
            raise self._refuse(f"tag '{tag}' is not allowed", at, "quote a text that begins with '!'")

    def _awaits_key(self) -> bool:
        return bool(self.open) and isinstance(self.open[-1].container, dict) and self.open[-1].key is None

    def _take_key(self, text: str, *, plain: bool, at: Position) -> None:
        within = self.open[-1]
        if plain and text == "<<":
            raise self._refuse("merge key '<<' is not allowed", at, "write the keys out")
        if plain and not isinstance(resolve_scalar(text), str):
            raise self._refuse(f"key '{text}' is not text", at, f'quote it: "{text}"')
        if text in within.entries:
            first = within.entries[text].key[0]
            raise self._refuse(f"key '{text}' is given twice", at, f"first on line {first}")
        within.key = (text, at)

    def _add(self, value: object, at: Position) -> None:
        if not self.open:
            self.root = (value, at)
            return
        within = self.open[-1]
        if isinstance(within.container, list):
            within.entries[len(within.container)] = Entry(at, at)
            within.container.append(value)
        elif within.key is not None:
            key, key_position = within.key
            within.container[key] = value
            within.entries[key] = Entry(key_position, at)
            within.key = None
