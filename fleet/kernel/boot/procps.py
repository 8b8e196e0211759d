"""The files as ``sysctl --system`` of procps reads them.

Measured against procps 4.0.2 and read in src/sysctl.c of https://gitlab.com/procps-ng/procps (4.0.0 to 4.0.6 differ in
one thing: from 4.0.5 on an exclusion may have wildcards).
"""

import posixpath
from collections.abc import Iterator, Mapping

from fleet.kernel.boot.model import Assignment, Origin
from fleet.kernel.boot.name import simplified, swapped
from fleet.kernel.boot.pattern import UNMODELLED, WILDCARDS, compile_pattern
from fleet.kernel.boot.program import Blind, Entry, Program, upward
from fleet.kernel.boot.tree import TreeFile, read_tree, readable
from fleet.model.facts import NodeFile

CONF = "/etc/sysctl.conf"
"""Read after all others, whatever else links to it."""

Version = tuple[int, int, int]

EXCLUDES_BY_WILDCARDS_SINCE = (4, 0, 5)

_BLANKS = b" \t\n\v\f\r"
_COMMENTS = (b"#", b";")
# The file names themselves are taken for glob patterns, with braces.
_NAME_WILDCARDS = frozenset("*?[{\\")


def read_procps(files: Mapping[str, NodeFile], *, version: Version | None) -> Program:
    """Read the trees and /etc/sysctl.conf as ``sysctl --system`` does.

    Args:
        files: by absolute path.
        version: of procps, from 4.0.0 on; None where it is not known.
    """
    tree = read_tree(files, "sysctl.d", hidden=True)
    last = files.get(CONF)
    read: list[Entry] = []
    blinds: list[Blind] = []
    listed = (*tree.files, *((readable(last),) if last is not None else ()))
    for index, file in enumerate(listed):
        if reason := _unread(file):
            blinds.append(Blind(order=(index, 0), reason=f"{file.path}: {reason}"))
            continue
        read.extend(_entries(file, index))
    if tree.unread:
        blinds.append(Blind(order=(len(listed), 0), reason=tree.unread))
    blinds.extend(_unmodelled(read, version))
    masked = [entry for file in tree.masked for entry in _entries(file, 0)]
    return Program(entries=tuple(read), read=tuple(read), masked=tuple(masked), blinds=tuple(blinds))


def _unread(file: TreeFile) -> str:
    if _NAME_WILDCARDS & set(posixpath.basename(file.path)):
        return "procps takes this name for a pattern of names"
    return file.unread


def _unmodelled(entries: list[Entry], version: Version | None) -> Iterator[Blind]:
    excludes = version is None or version >= EXCLUDES_BY_WILDCARDS_SINCE
    for entry in entries:
        if excludes and entry.assignment is None and entry.target is None:
            reason = f"{entry.origin} excludes by wildcards, which procps does from 4.0.5 on"
            yield Blind(order=entry.order, reason=reason)
        elif blind := upward(entry):
            yield blind


def _entries(file: TreeFile, index: int) -> Iterator[Entry]:
    for number, raw in enumerate(file.content.split(b"\n"), start=1):
        line = raw.partition(b"\0")[0].lstrip(_BLANKS)
        if not line or line.startswith(_COMMENTS):
            continue
        left, equals, value = line.partition(b"=")
        if not equals and not left.startswith(b"-"):
            continue
        origin = Origin(path=file.path, line=number)
        # A second "-" is dropped too, and blanks after the first are kept: they make a key that does not exist.
        written = left.removeprefix(b"-").rstrip(_BLANKS)
        name = swapped(written.removeprefix(b"-"))
        wild = WILDCARDS.search(name) is not None
        pattern = compile_pattern(name) if wild and equals else None
        yield Entry(
            order=(index, number),
            name=name,
            target=None if wild or name.endswith(b"/") else simplified(name),
            pattern=pattern,
            doubt=UNMODELLED if wild and equals and pattern is None else "",
            assignment=Assignment(
                key=written.decode(errors="surrogateescape"),
                value=value.strip(_BLANKS).decode(errors="surrogateescape"),
                origin=origin,
                ignore_errors=left.startswith(b"-"),
            )
            if equals
            else None,
            origin=origin,
            hidden=file.hidden,
        )
