"""How a fleet came to be as it is, over the audits that are known."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fleet.model.trend import TrendPoint

WIDTH: Final = 300
HEIGHT: Final = 60
_LEAST_TOP: Final = {"": 1, " %": 5}
"""By unit: what moves below it moves near the ground, as a table that is 1 % full should."""


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
    scale = HEIGHT / max(top, _LEAST_TOP[unit])
    return Line(
        title=title,
        first=_words(known[0][1], unit),
        last=_words(known[-1][1], unit),
        highest=_words(top, unit),
        points=" ".join(f"{position * step:.1f},{HEIGHT - value * scale:.1f}" for position, value in known),
    )


def _words(value: float, unit: str) -> str:
    return f"{value:,.1f}{unit}" if unit else f"{value:,.0f}"
