"""The heat map of a whole fleet as shapes of an SVG: one path a status, however many hosts there are."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fleet.model.finding import FindingStatus
from fleet.report.page.grid import Grid
from fleet.report.status import FINDING_STATUSES

_THICKNESS: Final = "0.9"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """Shapes in units of one host by one control.

    Attributes:
        paths: the ``d`` of each status that there is.
        unchecked: how many hosts from the left could not be checked.
    """

    hosts: int
    unchecked: int
    paths: Mapping[FindingStatus, str]


def heat(of: Grid) -> Heat:
    """Draw a grid: a column a host, a row a control."""
    shapes: dict[FindingStatus, list[str]] = defaultdict(list)
    for status, row, first, count in of.runs():
        shapes[status].append(f"M{first} {row}h{count}v{_THICKNESS}h-{count}z")
    return Heat(
        hosts=len(of.hosts),
        unchecked=sum(host.error is not None for host in of.hosts),
        paths={status: "".join(shapes[status]) for status in FINDING_STATUSES if status in shapes},
    )
