"""What a gate has to say, in one line that is safe to print."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from fleet.model.rollout import Gate, GateResult
from fleet.model.text import printable
from fleet.runner.audit import failure

T = TypeVar("T")

_LONGEST = 500
_SHOWN = 3


def passed(gate: Gate, detail: str) -> GateResult:
    """The rollout may go on."""
    return GateResult(kind=gate.kind, passed=True, detail=printable(detail, _LONGEST))


def failed(gate: Gate, detail: str) -> GateResult:
    """The rollout has to stop."""
    return GateResult(kind=gate.kind, passed=False, detail=printable(detail, _LONGEST))


def interrupted(gate: Gate) -> GateResult:
    """The operator wants no more, so nothing is known."""
    return failed(gate, "interrupted before it was decided")


def listed(problems: Iterable[str]) -> str:
    """The first problems, and how many there are more."""
    all_ = tuple(problems)
    more = len(all_) - _SHOWN
    return "; ".join(all_[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def counted(count: int, what: str) -> str:
    """Such as ``1 host`` and ``2 hosts``."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def split(outcomes: Mapping[str, T | Exception]) -> tuple[dict[str, T], dict[str, str]]:
    """What `Fleet.run` gave: results, and why there is none, by host."""
    results, errors = {}, {}
    for host, outcome in outcomes.items():
        if isinstance(outcome, Exception):
            reason = failure(outcome)
            errors[host] = f"{reason.kind}: {reason.message}"
        else:
            results[host] = outcome
    return results, errors
