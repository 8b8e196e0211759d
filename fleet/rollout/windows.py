"""When changes may be made."""

from collections.abc import Iterator, Sequence
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from fleet.model.rollout import Window

_DAY = timedelta(days=1)
_WEEK = 7
_HOUR = 60


def is_open(windows: Sequence[Window], moment: datetime) -> bool:
    """Whether changes may be made at a moment; always where there are no windows."""
    return not windows or any(opens <= moment < closes for opens, closes in _around(windows, moment))


def next_opening(windows: Sequence[Window], moment: datetime) -> datetime:
    """When the next window opens, in its own time zone; there is at least one window."""
    return min(opens for opens, _ in _around(windows, moment) if opens > moment)


def _around(windows: Sequence[Window], moment: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The openings and closings from yesterday, since a window may reach over midnight, to the end of the next week."""
    for window in windows:
        zone = ZoneInfo(window.zone)
        today = moment.astimezone(zone).date()
        for day in (today + step * _DAY for step in range(-1, _WEEK + 2)):
            if day.weekday() in window.days:
                last = day if window.closes > window.opens else day + _DAY
                yield (
                    datetime.combine(day, _time(window.opens), zone),
                    datetime.combine(last, _time(window.closes), zone),
                )


def _time(minutes: int) -> time:
    return time(*divmod(minutes, _HOUR))
