"""What a drift check has told, for the page about it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from fleet.model.drift import Deviation, DriftReport, DriftState
from fleet.report.drift_grouping import drift_groups, drift_times
from fleet.report.drift_status import KIND_WORDS, drift_items
from fleet.report.grouping import in_order

MOST_GROUPS: Final = 200
"""Differences of one state that are told; the worst come first."""
_TITLES: Final[dict[DriftState, str]] = {"open": "Open", "closed": "Closed", "noted": "Noted"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRow:
    """One difference: its cause, its hosts and since when, in words."""

    cause: str
    item: Deviation
    hosts: str
    times: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftView:
    """A drift check: its tables with their titles, and how many rows are left out of them."""

    notes: Sequence[str]
    tables: Sequence[tuple[str, Sequence[DriftRow]]]
    more: int


def drift_view(report: DriftReport, name_hosts: Callable[[Sequence[str]], str]) -> DriftView:
    """A drift check as the page tells it.

    Args:
        report: of the check.
        name_hosts: names hosts in few words.
    """
    tables: list[tuple[str, Sequence[DriftRow]]] = []
    more = 0
    for state, title in _TITLES.items():
        groups = drift_groups(drift_items(report, state), report)
        more += max(0, len(groups) - MOST_GROUPS)
        rows = [
            DriftRow(
                cause=KIND_WORDS[group[0].deviation.kind],
                item=group[0].deviation,
                hosts=name_hosts(in_order(each.host for each in group)),
                times="; ".join(drift_times(group[0], report)),
            )
            for group in groups[:MOST_GROUPS]
        ]
        if rows:
            tables.append((title, rows))
    return DriftView(notes=report.notes, tables=tables, more=more)
