import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.kernel.writers.goflags import parse_bool, parse_duration, parse_int32

_SECOND = 10**9


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("24h0m0s", 86_400 * _SECOND),
        ("1h30m", 5_400 * _SECOND),
        ("1.5h", 5_400 * _SECOND),
        (".5s", _SECOND // 2),
        ("1.s", _SECOND),
        ("-3s", -3 * _SECOND),
        ("+3s", 3 * _SECOND),
        ("1us", 1_000),
        ("1µs", 1_000),
        ("250ms", 250_000_000),
    ],
)
def test_durations_are_read_as_go_reads_them(text: str, nanoseconds: int) -> None:
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize("text", ["", "5", "s", "-", "1 h", "1h ", "1d", ".s", "1..5s", "1h30", "x1s", "9999999999h"])
def test_texts_that_go_refuses_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@given(st.integers(0, 999), st.integers(0, 59), st.integers(0, 59))
def test_what_go_prints_is_read_back(hours: int, minutes: int, seconds: int) -> None:
    assert parse_duration(f"{hours}h{minutes}m{seconds}s") == (hours * 3600 + minutes * 60 + seconds) * _SECOND


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("-1", -1), ("2147483647", 2**31 - 1), ("0x10", 16)])
def test_whole_numbers_of_32_bits(text: str, number: int) -> None:
    assert parse_int32(text) == number


@pytest.mark.parametrize("text", ["", "2147483648", "1e3", "ten", " 1", "1_0x"])
def test_other_numbers_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="32 bits"):
        parse_int32(text)


def test_switches() -> None:
    assert all(map(parse_bool, ("", "true", "1", "T")))
    assert not any(map(parse_bool, ("false", "0", "F")))
    with pytest.raises(ValueError, match="neither"):
        parse_bool("yes")
