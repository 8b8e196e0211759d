"""What a diagnosis says: a verdict for each known cause of a broken connection."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from fleet.model.finding import Failure

Verdict = Literal["confirmed", "likely", "excluded", "cannot tell"]
"""Of one cause, between the two readings.

``confirmed``: it was seen at work. ``likely``: what was seen fits it, and hardly anything else. ``excluded``: it was
not at work then. ``cannot tell``: what it takes to say so could not be read, or fits other causes as well.
"""

Place = Literal["node", "pod", "application", "elsewhere"]
"""Where the remedy belongs; only ``node`` is a problem of the node."""

NAMED: frozenset[Verdict] = frozenset({"confirmed", "likely"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseVerdict:
    """One cause on one host, or in what was read offline.

    Attributes:
        cause: such as ``invalid-segment``.
        evidence: what was read, one sentence each; at least one for a cause that is named.
        remedy: what to do, or where to look next; empty for one that is not named.
        sources: pages that the rule comes from.
    """

    cause: str
    title: str
    verdict: Verdict
    place: Place
    evidence: tuple[str, ...]
    remedy: str = ""
    sources: tuple[str, ...] = ()

    @property
    def is_named(self) -> bool:
        return self.verdict in NAMED


@dataclass(frozen=True, slots=True, kw_only=True)
class HostDiagnosis:
    """One host; without ``error`` there is one verdict for each cause.

    Attributes:
        seconds: between the two readings, by the node's own clock.
        notes: what bounds or missing rights kept from being read, one sentence each.
    """

    name: str
    seconds: float = 0.0
    verdicts: tuple[CauseVerdict, ...] = ()
    notes: tuple[str, ...] = ()
    error: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """One run of ``fleet diagnose``.

    Attributes:
        started: ISO 8601 in UTC, as is ``finished``.
        hosts: by inventory name, in the inventory's order.
        offline: by the name of a file, what it shows.
    """

    run_id: str
    started: str
    finished: str
    version: str
    hosts: Mapping[str, HostDiagnosis]
    offline: Mapping[str, tuple[CauseVerdict, ...]]
