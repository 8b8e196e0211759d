"""How full the conntrack tables were, and who is not like the others."""

from dataclasses import dataclass
from statistics import median, quantiles
from typing import Final

from fleet.model.finding import Audit, HostAudit

HIGH: Final = 75
"""Per cent from which a table is shown as an outlier whatever the others have.

node_exporter's alert NodeHighNumberConntrackEntriesUsed: https://github.com/prometheus/node_exporter
"""
BINS: Final = 20
MOST_OUTLIERS: Final = 20
_FEWEST_TO_COMPARE: Final = 8
_LEAST_ABOVE: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The conntrack table of one host."""

    host: str
    count: int
    max: int

    @property
    def percent(self) -> float:
        """How full it is; more than 100 where the limit was lowered under the entries."""
        return 100 * self.count / self.max


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetUsage:
    """The tables of all hosts that told theirs.

    Attributes:
        hosts: how many.
        bins: hosts by twentieths of their table, the last one with all that is fuller.
        median: per cent, as is ``highest``.
        outliers: the fullest first, at most ``MOST_OUTLIERS``.
        more_outliers: how many are not among them.
    """

    hosts: int
    bins: tuple[int, ...]
    median: float
    highest: float
    outliers: tuple[Usage, ...]
    more_outliers: int


def usage_of(host: HostAudit) -> Usage | None:
    """The table of a host; None where it was not read."""
    node = host.node
    if node is None or node.conntrack_count is None or not node.conntrack_max:
        return None
    return Usage(host=host.name, count=node.conntrack_count, max=node.conntrack_max)


def fleet_usage(audit: Audit) -> FleetUsage | None:
    """The tables of a fleet; None where no host told its own."""
    tables = [usage for host in audit.hosts.values() if (usage := usage_of(host)) is not None]
    if not tables:
        return None
    percents = [usage.percent for usage in tables]
    bins = [0] * BINS
    for percent in percents:
        bins[min(BINS - 1, int(percent * BINS / 100))] += 1
    limit = _usual(percents)
    outliers = sorted((usage for usage in tables if usage.percent >= limit), key=lambda usage: -usage.percent)
    return FleetUsage(
        hosts=len(tables),
        bins=tuple(bins),
        median=median(percents),
        highest=max(percents),
        outliers=tuple(outliers[:MOST_OUTLIERS]),
        more_outliers=max(0, len(outliers) - MOST_OUTLIERS),
    )


def _usual(percents: list[float]) -> float:
    """From where a table is an outlier: Tukey's upper fence, and never above what is high for any fleet."""
    if len(percents) < _FEWEST_TO_COMPARE:
        return HIGH
    lower, middle, upper = quantiles(percents, n=4)
    return min(HIGH, max(upper + 1.5 * (upper - lower), middle + _LEAST_ABOVE))
