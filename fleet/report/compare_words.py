"""Words and bounds that the forms of a comparison share."""

from collections.abc import Sequence
from typing import Final

from fleet.report.compare import Comparison, Difference, Forecast
from fleet.report.grouping import fold_names, in_order
from fleet.report.words import count_hosts

MOST_DIFFERENCES: Final = 30
MOST_FORECASTS: Final = 30
MOST_PROPERTIES: Final = 20
MOST_GROUPS: Final = 6
MOST_NAMED: Final = 8
LONGEST_NAMES: Final = 160


def describe(comparison: Comparison) -> str:
    """How many hosts were compared, and how much of them is the same."""
    count = len(comparison.hosts)
    told = f"{count_hosts(count)} compared" if count > 1 else f"{count_hosts(count)}: nothing to compare"
    differ = sum(len(difference.properties) for difference in comparison.differences)
    if count > 1:
        told += f": {comparison.same} properties are the same on all, {differ or 'none'} differ"
    return told + (f"; {count_hosts(len(comparison.unread))} could not be checked" if comparison.unread else "")


def headline(difference: Difference, comparison: Comparison) -> str:
    """Who differs; where more than two groups do, in what, since their values stand in rows of their own."""
    few = difference.outliers
    text = f"{few} of {len(comparison.hosts)} {'differs' if few == 1 else 'differ'}"
    if is_simple(difference):
        return f"{text}: {some_hosts(difference.groups[0].hosts)}"
    return f"{text} in {', '.join(bounded(difference.properties))}"


def is_simple(difference: Difference) -> bool:
    """Whether there is one value for those that differ, and one for all others."""
    return len(difference.groups) == len(("those that differ", "the others"))


def simple_rows(difference: Difference) -> list[tuple[str, str, str]]:
    """Of a simple difference each property, the value of those that differ, and that of the others."""
    few, most = difference.groups
    rows = [
        (what, value, f"{other} elsewhere")
        for what, value, other in zip(difference.properties, few.values, most.values, strict=True)
    ]
    more = len(rows) - MOST_PROPERTIES
    return [*rows[:MOST_PROPERTIES], *([(f"and {more} more properties", "", "")] if more > 0 else [])]


def group_rows(difference: Difference) -> list[tuple[str, str]]:
    """Of any difference the groups, the smallest first: their hosts, and their values of the properties."""
    *few, most = difference.groups
    rows = [(f"on {some_hosts(group.hosts)}", " · ".join(bounded(group.values))) for group in few[:MOST_GROUPS]]
    if rest := few[MOST_GROUPS:]:
        others = sum(len(group.hosts) for group in rest)
        rows.append((f"on {others} others", f"{len(rest)} more values"))
    where = f"elsewhere ({len(most.hosts)})" if len(most.hosts) > 1 else f"on {most.hosts[0]}"
    return [*rows, (where, " · ".join(bounded(most.values)))]


def left_out(comparison: Comparison) -> str:
    """A sentence on differences that do not fit; empty where all do."""
    more = len(comparison.differences) - MOST_DIFFERENCES
    return f"{more} more differences are left out here: the JSON has them all." if more > 0 else ""


def event(forecast: Forecast) -> str:
    """To how many hosts it happens, and when."""
    return f"{count_hosts(len(forecast.hosts))}, when {forecast.prediction.event}: "


def some_hosts(names: Sequence[str]) -> str:
    """Names of hosts, runs of numbers folded; where that is long, the first ones."""
    names = in_order(names)
    text = fold_names(names)
    if len(text) <= LONGEST_NAMES or len(names) <= MOST_NAMED:
        return text
    return f"{fold_names(names[:MOST_NAMED])} and {len(names) - MOST_NAMED} more"


def bounded(texts: Sequence[str]) -> list[str]:
    """Texts, and how many were too many."""
    more = len(texts) - MOST_PROPERTIES
    return [*texts[:MOST_PROPERTIES], *([f"and {more} more"] if more > 0 else [])]
