"""What an apply or a rollback came to, as text for a terminal or a pipe."""

from collections.abc import Iterable, Iterator
from typing import Final

from rich.text import Text

from fleet.model.rollout import BatchRun, ChangeResult, ChangeStatus, HostRun, HostRunStatus, RunResult
from fleet.report.grouping import fold_names, in_order
from fleet.report.layout import columns, hanging, joined, listed, shown
from fleet.report.run_status import RUN_WORDS, run_counts, run_worst_first, went_well
from fleet.report.run_words import ENDS, next_steps, node_words
from fleet.report.words import count_hosts

_STYLES: Final[dict[HostRunStatus, str]] = {
    "unreachable": "bold red",
    "failed": "bold red",
    "undone": "red",
    "not-reached": "yellow",
    "changed": "green",
    "noop": "green",
}
_MARKS: Final[dict[HostRunStatus, str]] = {
    "unreachable": "!",
    "failed": "!",
    "undone": "✗",
    "not-reached": "-",
    "changed": "✓",
    "noop": "✓",
}
_CHANGE_STATUSES: Final[tuple[ChangeStatus, ...]] = ("failed", "undone", "changed", "noop")
"""Worst first."""


def render_run(result: RunResult, *, verbosity: int, width: int | None) -> Text:
    """Tell how it went: one line a host, worst first; why hosts failed, once each; batches; what to do next.

    Args:
        result: what to tell.
        verbosity: 1 also tells what became of each change.
        width: cells of the terminal; None never wraps, for pipes and files.
    """
    hosts = run_worst_first(result)
    sections = [
        columns([_row(host, result) for host in hosts], width=width),
        listed("Why", _grouped((_why(host), host) for host in hosts if host.error is not None), width=width),
        listed("Notes", _grouped((note, host) for host in hosts for note in host.notes), width=width),
        listed("Changes", _changes(hosts), width=width) if verbosity else [],
        _batches(result.batches, width),
        hanging(Text(), render_run_summary(result), width=width),
        listed("Next", [("", step) for step in next_steps(result)], width=width),
    ]
    told = [section for section in sections if section]
    return joined(line for number, lines in enumerate(told) for line in ([Text()] if number else []) + lines)


def render_run_summary(result: RunResult) -> Text:
    """One line: how many hosts, how many of each status, and how the run ended."""
    parts = [
        Text(f"{count} {RUN_WORDS[status]}", style=_style(status, result))
        for status, count in run_counts(result).items()
        if count
    ]
    why = f": {result.stopped_by}" if result.stopped_by else ""
    return Text.assemble(
        (count_hosts(len(result.hosts)), "bold"),
        ": ",
        Text(", ").join(parts) if parts else "nothing was done",
        f"; {result.kind} ",
        shown(result.run_id, "bold"),
        shown(f" {ENDS[result.status]}{why}"),
    )


def _row(host: HostRun, result: RunResult) -> list[Text]:
    good = went_well(result, host)
    status = host.status.replace("-", " ")
    error = "" if host.error is None or host.error.kind == host.status else f"{host.error.kind}: "
    return [
        Text(f"{'✓' if good else _MARKS[host.status]} {status}", style=_style(host.status, result)),
        shown(host.name, "bold"),
        shown(f"{error}{node_words(host, result)}{_tally(host)}"),
    ]


def _style(status: HostRunStatus, result: RunResult) -> str:
    return "green" if status == "undone" and result.kind == "rollback" else _STYLES[status]


def _tally(host: HostRun) -> str:
    counts = {status: sum(change.status == status for change in host.changes) for status in _CHANGE_STATUSES}
    told = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    return f" ({told})" if told else ""


def _why(host: HostRun) -> str:
    return f"{host.error.kind}: {host.error.message}" if host.error is not None else ""


def _grouped(told: Iterable[tuple[str, HostRun]]) -> list[tuple[str, str]]:
    """Each text once, after the hosts it is about, in the order in which texts come first."""
    hosts: dict[str, list[str]] = {}
    for text, host in told:
        hosts.setdefault(text, []).append(host.name)
    return [(fold_names(in_order(names)), text) for text, names in hosts.items()]


def _changes(hosts: Iterable[HostRun]) -> list[tuple[str, str]]:
    found = [(change, host) for host in hosts for change in host.changes]
    found.sort(key=lambda each: _CHANGE_STATUSES.index(each[0].status))
    return _grouped((_change(change), host) for change, host in found)


def _change(change: ChangeResult) -> str:
    read = f", reads {change.read_back}" if change.read_back is not None else ""
    why = f": {change.reason}" if change.reason else ""
    return f"{change.kind} {change.target}: {change.status}{read}{why}"


def _batches(batches: Iterable[BatchRun], width: int | None) -> list[Text]:
    lines = [line for batch in batches for line in _batch(batch, width)]
    return [Text("Batches", style="bold"), *lines] if lines else []


def _batch(batch: BatchRun, width: int | None) -> Iterator[Text]:
    decision = f": {batch.decision}" if batch.decision else ""
    hosts = fold_names(in_order(batch.hosts))
    yield from hanging(Text(f"  {batch.number}  "), shown(f"{hosts}{decision}"), width=width)
    for gate in batch.gates:
        passed = Text("passed", style="green") if gate.passed else Text("failed", style="red")
        detail = f": {gate.detail}" if gate.detail else ""
        yield from hanging(Text("     gate "), Text.assemble(shown(gate.kind), " ", passed, shown(detail)), width=width)
