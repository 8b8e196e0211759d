"""An apply or a rollback as it went, batch by batch."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fleet.model.rollout import BatchRun, GateResult, HostRun, HostRunStatus, RunResult
from fleet.report.grouping import fold_names, in_order
from fleet.report.run_status import RUN_STATUSES, RUN_WORDS, run_worst_first, went_well
from fleet.report.run_words import ENDS, next_steps, node_words

WIDTH: Final = 700
"""Of the timeline, in the units of its SVG."""
_NARROWEST: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """When a batch was at work: from the run's start to its end is ``WIDTH``."""

    x: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRow:
    """One batch.

    Attributes:
        status: the worst of its hosts.
        counts: hosts by status in words.
        bar: None where it is not known when it was.
        seconds: how long it took; None where that is not known.
    """

    number: int
    hosts: str
    status: HostRunStatus
    counts: str
    gates: tuple[GateResult, ...]
    decision: str
    bar: Bar | None
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One run for the page.

    Attributes:
        end: what became of it, such as ``went through``.
        counts: hosts by status in words.
        troubles: hosts that did not come to what was asked for: their names, what they are like, and why.
        steps: what to do now.
    """

    result: RunResult
    end: str
    counts: str
    seconds: float | None
    batches: tuple[BatchRow, ...]
    troubles: tuple[tuple[str, str, str], ...]
    steps: tuple[str, ...]


def run_view(result: RunResult) -> RunView:
    """A run as the page tells it."""
    return RunView(
        result=result,
        end=ENDS[result.status],
        counts=_counts([*result.hosts.values()]),
        seconds=_seconds(result.started, result.finished),
        batches=tuple(_batch(batch, result) for batch in result.batches),
        troubles=_troubles(result),
        steps=next_steps(result),
    )


def _batch(batch: BatchRun, result: RunResult) -> BatchRow:
    hosts = [result.hosts[name] for name in batch.hosts if name in result.hosts]
    statuses = {host.status for host in hosts}
    return BatchRow(
        number=batch.number,
        hosts=fold_names(in_order(batch.hosts)),
        status=next((status for status in RUN_STATUSES if status in statuses), "noop"),
        counts=_counts(hosts),
        gates=batch.gates,
        decision=batch.decision,
        bar=_bar(batch, result),
        seconds=_seconds(batch.started, batch.decided),
    )


def _bar(batch: BatchRun, result: RunResult) -> Bar | None:
    whole = _seconds(result.started, result.finished)
    before = _seconds(result.started, batch.started)
    own = _seconds(batch.started, batch.decided or result.finished)
    if not whole or before is None or own is None:
        return None
    x = min(WIDTH * before / whole, WIDTH - _NARROWEST)
    return Bar(x=x, width=min(max(WIDTH * own / whole, _NARROWEST), WIDTH - x))


def _seconds(start: str, end: str) -> float | None:
    try:
        seconds = (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    except (TypeError, ValueError):
        return None
    return seconds if seconds >= 0 else None


def _counts(hosts: Sequence[HostRun]) -> str:
    counts = Counter(host.status for host in hosts)
    return ", ".join(f"{counts[status]:,} {RUN_WORDS[status]}" for status in RUN_STATUSES if counts[status])


def _troubles(result: RunResult) -> tuple[tuple[str, str, str], ...]:
    alike: dict[tuple[str, str], list[str]] = {}
    for host in run_worst_first(result):
        if not went_well(result, host):
            why = host.error.message if host.error else ""
            alike.setdefault((node_words(host, result), why), []).append(host.name)
    return tuple((fold_names(in_order(names)), words, why) for (words, why), names in alike.items())
