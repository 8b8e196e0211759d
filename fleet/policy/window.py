"""Maintenance windows as playbooks write them, such as ``Mon-Fri 22:00-04:00 Europe/Berlin``."""

import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fleet.model.rollout import Window

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WINDOW = re.compile(r"(\S+) +(\d\d):(\d\d)-(\d\d):(\d\d) +(\S+)")
_HOURS, _MINUTES = 24, 60


def parse_window(text: str) -> Window:
    """Read days, times and zone; ``daily`` is every day, and a window that ends by its beginning ends the next day.

    Raises:
        ValueError: to follow the name of the key.
    """
    match = _WINDOW.fullmatch(text.strip())
    if match is None:
        raise ValueError("must be days, times and a time zone, such as Mon-Fri 22:00-04:00 Europe/Berlin")
    return Window(
        days=_days(match[1]),
        opens=_minutes(match[2], match[3]),
        closes=_minutes(match[4], match[5]),
        zone=_zone(match[6]),
        text=text,
    )


def _days(text: str) -> tuple[int, ...]:
    if text.lower() == "daily":
        return tuple(range(len(_DAYS)))
    chosen: set[int] = set()
    for part in text.lower().split(","):
        first, dash, last = part.partition("-")
        if first not in _DAYS or (dash and last not in _DAYS):
            raise ValueError("must begin with daily, or with days such as Mon-Fri or Sat,Sun")
        start = _DAYS.index(first)
        count = (_DAYS.index(last) - start) % len(_DAYS) if dash else 0
        chosen.update((start + step) % len(_DAYS) for step in range(count + 1))
    return tuple(sorted(chosen))


def _minutes(hour: str, minute: str) -> int:
    if int(hour) > _HOURS or int(minute) >= _MINUTES or (int(hour) == _HOURS and int(minute)):
        raise ValueError(f"has no time of day in {hour}:{minute}")
    return int(hour) % _HOURS * _MINUTES + int(minute)


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise ValueError(f"names a time zone that is not known here: {name}, not like Europe/Berlin or UTC") from None
    return name
