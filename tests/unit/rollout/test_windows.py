"""Maintenance windows, over midnight and over the change of the clocks."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.policy.window import parse_window
from fleet.rollout.decide import closed_window
from fleet.rollout.windows import is_open, next_opening

NIGHTS = parse_window("Mon-Fri 22:00-04:00 Europe/Berlin")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-11-20T20:59:59", False),  # Friday 21:59:59 in Berlin
        ("2026-11-20T21:00:00", True),
        ("2026-11-21T02:59:59", True),  # Saturday, but it opened on Friday
        ("2026-11-21T03:00:00", False),
        ("2026-11-21T22:00:00", False),  # Saturday
        ("2026-11-23T01:00:00", False),  # Monday 02:00: it would have opened on Sunday
        ("2026-07-01T20:00:00", True),  # summer time
        ("2026-07-01T19:59:59", False),
    ],
)
def test_a_window_is_one_of_its_day_and_its_zone(moment: str, expected: bool) -> None:  # noqa: FBT001 a table
    assert is_open((NIGHTS,), at(moment)) is expected


def test_without_windows_it_is_always_open() -> None:
    assert is_open((), at("2026-11-20T12:00:00"))


def test_any_of_several_windows_will_do() -> None:
    windows = (NIGHTS, parse_window("Sat 10:00-11:00 UTC"))
    assert is_open(windows, at("2026-11-21T10:30:00"))
    assert next_opening(windows, at("2026-11-21T11:00:00")) == at("2026-11-23T21:00:00")


def test_a_window_that_ends_where_it_begins_is_the_whole_day() -> None:
    whole = parse_window("Sun 00:00-24:00 UTC")
    assert is_open((whole,), at("2026-11-22T00:00:00"))
    assert is_open((whole,), at("2026-11-22T23:59:59"))
    assert not is_open((whole,), at("2026-11-23T00:00:00"))


def test_the_refusal_says_when_the_next_one_opens() -> None:
    assert closed_window((NIGHTS,), at("2026-11-21T12:00:00")) == (
        "no maintenance window is open; the next one opens Monday 2026-11-23 22:00 CET"
    )


@given(
    moment=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 the bounds have none
    text=st.sampled_from(
        ["Mon 02:30-03:30 Europe/Berlin", "daily 23:59-00:01 UTC", "Sat-Sun 08:00-07:59 Asia/Kathmandu"]
    ),
)
def test_the_next_opening_is_open_and_the_moment_before_it_differs(moment: datetime, text: str) -> None:
    windows = (parse_window(text),)
    opens = next_opening(windows, moment)
    assert opens > moment
    assert is_open(windows, opens)
    assert opens - moment <= timedelta(days=8)
