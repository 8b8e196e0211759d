"""What a reader of sysctl.d makes of the files, before the kernel sees any of it."""

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from fleet.kernel.boot.model import Assignment, Origin
from fleet.kernel.boot.pattern import literal_start

Place = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line.

    Attributes:
        order: its place in the order of reading: which file, and which line of it.
        name: what results of globs are compared with, below /proc/sys.
        target: the path that the line writes; None where there is no such path, or for a pattern.
        pattern: for a key with wildcards.
        doubt: why it is not known which keys the wildcards reach; empty where it is.
        assignment: None for an exclusion.
        hidden: as for the line's file.
    """

    order: Place
    name: bytes
    target: bytes | None
    pattern: re.Pattern[bytes] | None = None
    doubt: str = ""
    assignment: Assignment | None
    origin: Origin
    hidden: str = ""

    def names(self, path: bytes) -> bool:
        """Whether the line is about this path, directly or by its pattern."""
        return self.target == path or (self.pattern is not None and self.pattern.fullmatch(path) is not None)

    def may_name(self, path: bytes) -> bool:
        """Whether wildcards that are not modelled may reach this path."""
        return self.names(path) if self.pattern else path.startswith(literal_start(self.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Blind:
    """A place in the order of reading where something unknown may stand.

    Attributes:
        about: the only path that it can be about; None where it may be any.
    """

    order: Place
    reason: str
    about: bytes | None = None


def upward(entry: Entry) -> Blind | None:
    """The doubt about a key with ``..`` in it: releases differ in what they make of it."""
    if b".." not in entry.name.split(b"/"):
        return None
    about = posixpath.normpath(b"/" + entry.name).lstrip(b"/")
    return Blind(order=entry.order, reason=f"{entry.origin} has .. in its key", about=about)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """The lines of all files.

    Attributes:
        entries: those that are carried out, in the order in which they are.
        read: every line that was read, in the order of reading.
        masked: lines of files that do not count.
        blinds: what could not be read or is not modelled.
    """

    entries: tuple[Entry, ...]
    read: tuple[Entry, ...]
    masked: tuple[Entry, ...]
    blinds: tuple[Blind, ...]

    def explicit(self, path: bytes) -> bool:
        """Whether a line without wildcards names the path, so that globs leave it alone."""
        return any(entry.name == path for entry in self.entries)

    def reaching(self, paths: frozenset[bytes]) -> Iterator[tuple[bytes, Entry, Assignment]]:
        """What is written to these paths, in order; one glob writes by name, as /proc/sys lists them."""
        guarded = {path for path in paths if self.explicit(path)}
        by_name = sorted(paths)
        for entry in self.entries:
            if entry.assignment is None:
                continue
            for path in by_name:
                if entry.target == path or (
                    entry.pattern is not None and path not in guarded and entry.pattern.fullmatch(path)
                ):
                    yield path, entry, entry.assignment

    def mentions(self, paths: frozenset[bytes]) -> tuple[Assignment, ...]:
        """Every line that would give a value to one of these paths, with why it does not count unless it wins."""
        return tuple(
            replace(entry.assignment, reason=self._reason(entry, path))
            for entry in (*self.read, *self.masked)
            if entry.assignment is not None
            if (path := next((each for each in sorted(paths) if entry.names(each)), None)) is not None
        )

    def _reason(self, entry: Entry, path: bytes) -> str:
        if entry.hidden:
            return entry.hidden
        by_name = [each for each in self.entries if each.name == path]
        written = any(each.assignment is not None for each in by_name)
        if by_name and not written:
            return f"{by_name[-1].origin} excludes the key"
        if by_name and entry.pattern is not None:
            return f"{by_name[-1].origin} names the key, so wildcards leave it alone"
        return "another line is applied after it"

    def doubt(self, path: bytes, *, refused: bool) -> str:
        """Why it is not known what the files say about a path; empty where it is.

        A line without wildcards settles all that was read before it, unless its value is ``refused``.
        """
        nothing = (-1, 0)
        settled = (
            nothing
            if refused
            else max((e.order for e in self.entries if e.target == path and e.assignment is not None), default=nothing)
        )
        for blind in self.blinds:
            if blind.order > settled and blind.about in {None, path}:
                return blind.reason
        if not self.explicit(path):
            for entry in self.entries:
                if entry.doubt and entry.may_name(path):
                    return f"{entry.origin}: {entry.doubt}"
        return ""
