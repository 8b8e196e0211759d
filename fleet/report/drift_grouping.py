"""Differences that hosts share, told once."""

from collections.abc import Iterable, Sequence

from fleet.model.drift import DriftItem, DriftReport
from fleet.model.text import printable
from fleet.report.drift_status import is_new
from fleet.report.layout import LONGEST_VALUE


def drift_groups(items: Iterable[DriftItem], report: DriftReport, *, each: bool = False) -> list[list[DriftItem]]:
    """Put together the same difference, for the same reason, since the same time.

    Args:
        items: in the order in which they are told.
        report: they are of.
        each: puts hosts apart nevertheless.
    """
    found: dict[object, list[DriftItem]] = {}
    for item in items:
        seen = item.deviation
        since = "" if item.state == "noted" else item.first_seen
        same = (seen.about, seen.name, seen.kind, seen.reason, since, item.host if each else "", is_new(item, report))
        found.setdefault(same, []).append(item)
    return list(found.values())


def drift_times(item: DriftItem, report: DriftReport) -> Sequence[str]:
    """What an item was before, and since when or how long it was seen, in words."""
    seen = item.deviation
    match item.state:
        case "noted":
            return ()
        case "closed":
            return (f"from {item.first_seen} to {item.last_seen}",)
        case "open":
            was = (f"was {printable(seen.was, LONGEST_VALUE)}",) if seen.was and seen.was != seen.value else ()
            return (*was, "new" if is_new(item, report) else f"since {item.first_seen}")
