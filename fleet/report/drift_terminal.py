"""A drift check as text for a terminal or a pipe."""

from collections.abc import Sequence
from typing import Final

from rich.text import Text

from fleet.model.drift import DriftItem, DriftReport, DriftState, DriftStatus
from fleet.report.drift_grouping import drift_groups, drift_times
from fleet.report.drift_status import KIND_WORDS, drift_counts, drift_items, is_as_before, is_new
from fleet.report.grouping import fold_names, in_order
from fleet.report.layout import columns, hanging, joined, shown
from fleet.report.marks import IMPACT_STYLES
from fleet.report.words import count_hosts

_WORDS: Final[dict[DriftStatus, tuple[str, str]]] = {
    "unreachable": ("unreachable", "bold red"),
    "failed": ("failed", "bold red"),
    "drift": ("with drift", "red"),
    "ok": ("without drift", "green"),
}
_TITLES: Final[dict[DriftState, str]] = {"open": "Open", "closed": "Closed", "noted": "Noted"}


def render_drift(report: DriftReport, *, verbosity: int, width: int | None) -> Text:
    """Tell a drift check: hosts that could not be checked; what is open, worst first; what is closed; a summary.

    Args:
        report: what to tell.
        verbosity: 0 folds hosts with the same difference; 1 also tells what was only noted; 2 each host by itself.
        width: cells of the terminal; None never wraps.
    """
    sections: list[list[Text]] = []
    unchecked = [host for host in report.hosts.values() if host.error is not None]
    if unchecked:
        rows = [
            [Text(f"! {host.status}", style="bold red"), shown(host.name, "bold"), shown(host.error.message)]
            for host in unchecked
            if host.error is not None
        ]
        sections.append(columns(rows, width=width))
    states: Sequence[DriftState] = ("open", "closed", "noted") if verbosity else ("open", "closed")
    for state in states:
        if items := drift_items(report, state):
            groups = drift_groups(items, report, each=verbosity > 1)
            rows = [_row(group, report) for group in groups]
            sections.append([Text(_TITLES[state], style="bold"), *columns(rows, width=width, indent=2)])
    sections += [hanging(Text(), shown(note), width=width) for note in report.notes]
    sections.append(hanging(Text(), render_drift_summary(report), width=width))
    return joined(line for number, lines in enumerate(sections) for line in ([Text()] if number else []) + lines)


def render_drift_summary(report: DriftReport) -> Text:
    """One line: hosts by status, and how many items are open, new and closed."""
    parts = [
        Text(f"{count} {_WORDS[status][0]}", style=_WORDS[status][1])
        for status, count in drift_counts(report).items()
        if count
    ]
    opened = drift_items(report, "open")
    counts = [f"{len(opened)} open"]
    if new := sum(is_new(item, report) for item in opened):
        counts.append(f"{new} of them new")
    if closed := len(drift_items(report, "closed")):
        counts.append(f"{closed} closed")
    if noted := len(drift_items(report, "noted")):
        counts.append(f"{noted} noted")
    as_before = "; nothing has changed since the last check" if is_as_before(report) else ""
    hosts = Text.assemble((count_hosts(len(report.hosts)), "bold"), ": ", Text(", ").join(parts))
    return Text.assemble(hosts, "; ", ", ".join(counts), as_before)


def _row(group: Sequence[DriftItem], report: DriftReport) -> list[Text]:
    item = group[0]
    seen = item.deviation
    return [
        Text(KIND_WORDS[seen.kind], style=IMPACT_STYLES[seen.impact] if item.state == "open" else "dim"),
        shown(seen.name, "bold"),
        shown(fold_names(in_order(each.host for each in group))),
        Text.assemble(shown(seen.reason), ("".join(f"; {each}" for each in drift_times(item, report)), "dim")),
    ]
