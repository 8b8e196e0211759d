"""The files as systemd-sysctl reads them.

Measured against systemd 252 and read in src/sysctl/sysctl.c, src/basic/conf-files.c and src/basic/sysctl-util.c of
https://github.com/systemd/systemd (239, 252 and after 257: the same but for the globs, which 246 brought).
"""

import re
from collections.abc import Iterator, Mapping

from fleet.kernel.boot.model import Assignment, Origin
from fleet.kernel.boot.name import simplified, swapped
from fleet.kernel.boot.pattern import UNMODELLED, WILDCARDS, compile_pattern
from fleet.kernel.boot.program import Blind, Entry, Program, upward
from fleet.kernel.boot.tree import TreeFile, read_tree
from fleet.model.facts import NodeFile

# read_line_full(): each of the three ends a line, and so do these combinations.
_LINE_END = re.compile(rb"\r\n\0|\n\r\0|\r\n|\n\r|\n\0|\r\0|\n|\r|\0")
_BLANKS = b" \t\n\r"
_COMMENTS = (b"#", b";")
_NO_GLOBS = "systemd before 246 reads no wildcards and no exclusions, and the release of this node's is not known"


def read_systemd(files: Mapping[str, NodeFile], *, globs: bool | None = True) -> Program:
    """Read the trees as systemd-sysctl does at boot.

    Args:
        files: by absolute path.
        globs: whether this systemd knows wildcards and exclusions (246 does); None where that is not known.
    """
    tree = read_tree(files, "sysctl.d", hidden=False)
    options: dict[bytes, Entry] = {}
    read: list[Entry] = []
    blinds: list[Blind] = []
    for index, file in enumerate(tree.files):
        if file.unread:
            blinds.append(Blind(order=(index, 0), reason=f"{file.path}: {file.unread}"))
            continue
        for entry in _entries(file, index, globs=globs):
            read.append(entry)
            if globs is None and entry.assignment is None:
                blinds.append(Blind(order=entry.order, reason=f"{entry.origin}: {_NO_GLOBS}", about=entry.name))
            if blind := upward(entry):
                blinds.append(blind)
            _put(options, entry)
    if tree.unread:
        blinds.append(Blind(order=(len(tree.files), 0), reason=tree.unread))
    masked = [entry for file in tree.masked for entry in _entries(file, 0, globs=globs)]
    return Program(entries=tuple(options.values()), read=tuple(read), masked=tuple(masked), blinds=tuple(blinds))


def _put(options: dict[bytes, Entry], entry: Entry) -> None:
    # A repeated value keeps the place of the first line, another value takes a new place at the end.
    existing = options.get(entry.name)
    if existing is None or _value(existing) != _value(entry):
        options.pop(entry.name, None)
    options[entry.name] = entry


def _value(entry: Entry) -> str | None:
    return entry.assignment.value if entry.assignment else None


def _entries(file: TreeFile, index: int, *, globs: bool | None) -> Iterator[Entry]:
    for serial, (number, line) in enumerate(_lines(file.content), start=1):
        stripped = line.strip(_BLANKS)
        if not stripped or stripped.startswith(_COMMENTS):
            continue
        name, equals, value = stripped.partition(b"=")
        if not equals and (globs is False or not stripped.startswith(b"-")):
            continue
        origin = Origin(path=file.path, line=number)
        written = name.removeprefix(b"-").strip(_BLANKS)
        path = simplified(swapped(written))
        wild = globs is not False and WILDCARDS.search(path) is not None
        pattern = compile_pattern(path) if wild and equals else None
        yield Entry(
            order=(index, serial),
            name=path,
            target=None if wild else path,
            pattern=pattern,
            doubt=_doubt(pattern, globs=globs) if wild and equals else "",
            assignment=Assignment(
                key=written.decode(errors="surrogateescape"),
                value=value.strip(_BLANKS).decode(errors="surrogateescape"),
                origin=origin,
                ignore_errors=name.startswith(b"-"),
            )
            if equals
            else None,
            origin=origin,
            hidden=file.hidden,
        )


def _doubt(pattern: re.Pattern[bytes] | None, *, globs: bool | None) -> str:
    if pattern is None:
        return UNMODELLED
    return _NO_GLOBS if globs is None else ""


def _lines(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers as an editor counts them."""
    start = 0
    number = 1
    for end in _LINE_END.finditer(content):
        yield number, content[start : end.start()]
        number += end.group().count(b"\n")
        start = end.end()
    yield number, content[start:]
