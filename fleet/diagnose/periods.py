"""Whether something comes at a fixed interval."""

from collections.abc import Iterable
from itertools import pairwise
from statistics import median
from typing import Final

FEWEST: Final = 5
"""Moments before an interval is believed."""
_REGULAR = 0.8
_JITTER = 0.1
_SHORTEST = 1.0


def fixed_interval(moments: Iterable[float]) -> float | None:
    """The interval in seconds at which most of the moments come; one of several intervals counts as such."""
    ordered = sorted(moments)
    if len(ordered) < FEWEST:
        return None
    gaps = [later - earlier for earlier, later in pairwise(ordered)]
    usual = median(gaps)
    if usual < _SHORTEST or sum(_is_multiple(gap, usual) for gap in gaps) < _REGULAR * len(gaps):
        return None
    return usual


def _is_multiple(gap: float, usual: float) -> bool:
    times = max(1, round(gap / usual))
    return abs(gap - times * usual) <= _JITTER * usual
