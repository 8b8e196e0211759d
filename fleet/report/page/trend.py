"""How a fleet came to be as it is, over the audits that are known."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fleet.model.finding import Audit
from fleet.report.page.usage import fleet_usage
from fleet.report.status import VIOLATIONS, host_counts

WIDTH: Final = 300
HEIGHT: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendPoint:
    """What one audit came to.

    Attributes:
        started: ISO 8601 in UTC.
        hosts: all that were asked.
        with_findings: hosts that are not as expected.
        unchecked: hosts that could not be checked.
        violations: findings that failed or could not be judged.
        usage_median: of the conntrack tables, in per cent, as is ``usage_highest``; None where none was read.
    """

    run_id: str
    started: str
    hosts: int
    with_findings: int
    unchecked: int
    violations: int
    usage_median: float | None
    usage_highest: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One number over time, as points of an SVG of ``WIDTH`` by ``HEIGHT``.

    Attributes:
        title: what it is.
        first, last, highest: numbers in words.
        points: of a polyline; audits without the number are left out.
    """

    title: str
    first: str
    last: str
    highest: str
    points: str


def trend_point(audit: Audit) -> TrendPoint:
    """What an audit came to."""
    counts = host_counts(audit)
    usage = fleet_usage(audit)
    return TrendPoint(
        run_id=audit.run_id,
        started=audit.started,
        hosts=len(audit.hosts),
        with_findings=counts["findings"],
        unchecked=counts["failed"] + counts["unreachable"],
        violations=sum(finding.status in VIOLATIONS for host in audit.hosts.values() for finding in host.findings),
        usage_median=usage.median if usage else None,
        usage_highest=usage.highest if usage else None,
    )


def lines(points: Sequence[TrendPoint]) -> tuple[Line, ...]:
    """The numbers that have a course: those that two audits know.

    Args:
        points: the oldest first; they stand at equal distances.
    """
    told: list[tuple[str, list[float | None], str]] = [
        ("hosts with findings", [point.with_findings for point in points], ""),
        ("hosts that could not be checked", [point.unchecked for point in points], ""),
        ("failed findings", [point.violations for point in points], ""),
        ("conntrack usage, median", [point.usage_median for point in points], " %"),
        ("conntrack usage, highest", [point.usage_highest for point in points], " %"),
    ]
    return tuple(line for title, values, unit in told if (line := _line(title, values, unit)) is not None)


def _line(title: str, values: Sequence[float | None], unit: str) -> Line | None:
    known = [(position, value) for position, value in enumerate(values) if value is not None]
    if len(known) < 2:  # noqa: PLR2004 what has a course
        return None
    step = WIDTH / (len(values) - 1)
    top = max(value for _, value in known)
    scale = HEIGHT / (top or 1)
    return Line(
        title=title,
        first=_words(known[0][1], unit),
        last=_words(known[-1][1], unit),
        highest=_words(top, unit),
        points=" ".join(f"{position * step:.1f},{HEIGHT - value * scale:.1f}" for position, value in known),
    )


def _words(value: float, unit: str) -> str:
    return f"{value:,.1f}{unit}" if unit else f"{value:,.0f}"
