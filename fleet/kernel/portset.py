"""Sets of ports, as the kernel reads and prints them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from fleet.kernel.number import NUMBER, parse_number

_MAX_PORT = 65_535
_ITEM = re.compile(rf"({NUMBER})(?:-({NUMBER}))?")


@dataclass(frozen=True, slots=True)
class PortSet:
    """Ports as sorted ranges (both ends included) that neither overlap nor touch; two equal sets compare equal."""

    ranges: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, ranges: Iterable[tuple[int, int]]) -> Self:
        """Sort and merge ranges the way the kernel's bitmap does."""
        merged: list[tuple[int, int]] = []
        for first, last in sorted(ranges):
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(merged[-1][1], last))
            else:
                merged.append((first, last))
        return cls(tuple(merged))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a list such as ``8080,30000-32767``, exactly as strict as ``ip_local_reserved_ports`` is.

        Raises:
            ValueError: the kernel would refuse the text, blanks between ports included.
        """
        # The kernel takes one separator after each item, and any number of newlines after that.
        items = re.split(r"[,\n]\n*", text.lstrip("\n"))
        if not items[-1]:
            items.pop()
        return cls.of(_parse_item(item) for item in items)

    def __str__(self) -> str:
        return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in self.ranges)

    def __contains__(self, port: int) -> bool:
        return any(first <= port <= last for first, last in self.ranges)

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.ranges)

    def union(self, other: "PortSet") -> "PortSet":
        """Ports of either set."""
        return PortSet.of((*self.ranges, *other.ranges))

    def intersection(self, other: "PortSet") -> "PortSet":
        """Ports of both sets."""
        return PortSet.of(
            (max(first, other_first), min(last, other_last))
            for first, last in self.ranges
            for other_first, other_last in other.ranges
            if max(first, other_first) <= min(last, other_last)
        )

    def difference(self, other: "PortSet") -> "PortSet":
        """Ports of this set that the other lacks."""
        return self.intersection(other.complement())

    def complement(self) -> "PortSet":
        """Every port from 0 to 65535 that is not in the set."""
        ends = [-1, *(last for _, last in self.ranges)]
        starts = [*(first for first, _ in self.ranges), _MAX_PORT + 1]
        gaps = ((end + 1, start - 1) for end, start in zip(ends, starts, strict=True))
        return PortSet(tuple((first, last) for first, last in gaps if first <= last))

    def covers(self, other: "PortSet") -> bool:
        """Whether every port of the other set is in this one."""
        return self.union(other) == self

    def overlaps(self, other: "PortSet") -> bool:
        """Whether a port is in both sets."""
        return bool(self.intersection(other).ranges)


def _parse_item(item: str) -> tuple[int, int]:
    match = _ITEM.fullmatch(item)
    if match is None:
        raise ValueError(f"{item!r} is neither a port nor a range such as 30000-32767; separate them by commas alone")
    first = parse_number(match[1])
    last = first if match[2] is None else parse_number(match[2])
    if last > _MAX_PORT:
        raise ValueError(f"{item!r} reaches above port {_MAX_PORT}")
    if first > last:
        raise ValueError(f"{item!r} begins above its end")
    return first, last
