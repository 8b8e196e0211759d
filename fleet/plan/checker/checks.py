"""What a node compares."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from fleet.model.finding import FindingStatus, Impact

CheckKind = Literal["number", "range", "ports", "text", "fact", "module", "file", "fixed", "absent"]
Anchor = Literal["machine", "there", "files", "later"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One comparison.

    Attributes:
        word: ``is`` (one of the arguments), ``at-least``, ``at-most``, ``covers``, ``avoids``, ``loaded``, ``exists``
            or ``sum``.
        arguments: as the node compares them: decimal numbers, folded text, port lists as the kernel prints them.
    """

    word: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One control on one node.

    Attributes:
        kind: ``number``, ``range``, ``ports``, ``text``: a sysctl key that holds such a value. ``fact``: a number that
            the node computes. ``fixed``: judged when planned. ``absent``: the same, as long as the key is not there.
        target: the path of the key below /proc/sys, the fact, the module, the file; empty for what is fixed.
        status: the verdict when it was planned, for ``fixed`` and ``absent``.
        reason: of that verdict.
        rests: what has to be as it was for the verdict to count: ``machine``: kernel, processors and memory; ``there``:
            whether modules are there; ``files``: configuration, and the processes that read it. ``later``: all of
            these, but only for what the next boot leaves.
        given: values of keys, by their path, that the control counts with; None: the key is not there.
        later: what the next boot leaves; None where that is not known, or does not count.
        is_overruled: something takes back what a file sets.
        until: the last day of an exception.
        expected, preferred: the conditions in words.
    """

    control: str
    impact: Impact
    kind: CheckKind
    target: str = ""
    status: FindingStatus = "pass"
    reason: str = ""
    rests: tuple[Anchor, ...] = ()
    given: tuple[tuple[str, str | None], ...] = ()
    later: str | None = None
    is_overruled: bool = False
    until: date | None = None
    expect: tuple[Condition, ...] = ()
    prefer: tuple[Condition, ...] = ()
    expected: str = ""
    preferred: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unjudged:
    """A control that only a controller can judge, and why."""

    control: str
    impact: Impact
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """Everything that one node compares.

    Attributes:
        there: whether modules and the like are there, on which verdicts rest.
        base, headroom, ceiling: what the demand for connection tracking is worked out from; None where no control
            counts with it.
        files: those that fleet has written, with the hash of their content where that is known exactly.
        unseen: what is taken as it was, because the node cannot see it change, one sentence each.
    """

    checks: tuple[Check, ...]
    unjudged: tuple[Unjudged, ...]
    kernel: str
    cores: int
    gibibytes: int
    processes: tuple[str, ...]
    there: Mapping[str, bool]
    demand: tuple[int, float, int] | None
    files: Mapping[str, str | None]
    unseen: tuple[str, ...]
    fingerprint: str
