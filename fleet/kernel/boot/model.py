"""What the next boot leaves in a key, and why."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A line of a file on the node; for a link the path of the link, because that is what decides the order."""

    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A line that gives a value to a key or, with a glob, to several.

    Attributes:
        key: as written, such as ``net/ipv4/ip_forward`` or ``net.ipv4.conf.*.rp_filter``.
        value: as written, without the blanks around it; bytes that are not UTF-8 are surrogates.
        ignore_errors: the line begins with ``-``: a failure is not reported, the effect is the same.
        reason: among losers, why the line does not count; else empty.
    """

    key: str
    value: str
    origin: Origin
    ignore_errors: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootSet:
    """A file sets the key, and the kernel takes it.

    Attributes:
        value: as the kernel will print it, whitespace folded to one blank.
        winner: the line that decides; where several lines with one value do, the last of them.
        losers: other lines for this key, those of files that do not count included, in the order of reading.
    """

    value: str
    winner: Assignment
    losers: tuple[Assignment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BootUnset:
    """No file sets the key: the kernel or a later writer decides.

    Attributes:
        losers: lines that would set it but are in a masked file or excluded.
    """

    losers: tuple[Assignment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BootLost:
    """A file sets the key, but the key is not there when the files are applied.

    Attributes:
        value: what the key has once it appears, where a file decides that (``hashsize``); None is the kernel's choice.
        winner: the line that would have decided.
        remedy: what makes the line take effect, in words for the operator.
    """

    value: str | None
    winner: Assignment
    losers: tuple[Assignment, ...]
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BootRefused:
    """The kernel refuses what the last line wants.

    Attributes:
        value: what an earlier line left; None where the kernel's own value stays.
        refused: the line whose value was refused.
    """

    value: str | None
    refused: Assignment
    losers: tuple[Assignment, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BootUnknown:
    """Something decides that this tool does not model or could not read.

    Attributes:
        reason: what it is, and where.
        candidates: lines for this key, in the order of reading.
    """

    reason: str
    candidates: tuple[Assignment, ...]


BootValue = BootSet | BootUnset | BootLost | BootRefused | BootUnknown
