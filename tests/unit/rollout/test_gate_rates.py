"""Rates of changed hosts, held against those of untouched ones."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.counters import counted

from fleet.model.rollout import RatesGate
from fleet.rollout.gates.compare_rates import CannotTell, Rates, decide, rates_between, sample

GATE = RatesGate(at_most=3, floor=5)
QUIET: Rates = {"resets": 0.0, "again": 0.0, "invalid": 0.0}


def rates(resets: float = 0.0, again: float = 0.0, invalid: float = 0.0) -> Rates:
    return {"resets": resets, "again": again, "invalid": invalid}


def test_rates_are_events_a_second_by_the_clock_of_the_node() -> None:
    before, after = counted(1000.0, 10, 20, 30), counted(1004.0, 18, 20, 31)
    assert rates_between(before, after) == {"resets": 2.0, "again": 0.0, "invalid": 0.25}


def test_node_without_connection_tracking_has_two_rates() -> None:
    assert rates_between(counted(10, invalid=None), counted(11, 1, invalid=None)) == {"resets": 1.0, "again": 0.0}


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (counted(1000, 5), counted(3, 0, boot="another"), "has rebooted"),
        (counted(1000, 5), counted(1010, 4), "has begun to count anew"),
        (counted(1000, 5, 5), counted(1010, 5, 4), "has begun to count anew"),
        (counted(1000, 5, 5, 5), counted(1010, 5, 5, 4), "has begun to count anew"),
        (counted(1000, invalid=None), counted(1010, invalid=3), "has begun to count anew"),
        (counted(1000, invalid=3), counted(1010, invalid=None), "has begun to count anew"),
        (counted(1000), counted(1000), "did not move on"),
        (counted(1000), counted(999), "did not move on"),
    ],
)
def test_readings_that_do_not_follow_each_other_tell_nothing(before: object, after: object, why: str) -> None:
    seen = rates_between(before, after)  # type: ignore[arg-type] # parametrize gives objects
    assert isinstance(seen, CannotTell)
    assert why in seen.reason


@pytest.mark.parametrize(
    ("seen", "untouched", "passes"),
    [
        (rates(5.0), [], True),
        (rates(5.1), [], False),
        (rates(5.0), [QUIET], True),
        (rates(5.1), [QUIET], False),
        (rates(29.9), [rates(10)], True),
        (rates(30.1), [rates(10)], False),
        (rates(30.1), [rates(10), rates(11), rates(0)], False),
        (rates(30.1), [rates(10), rates(11), rates(12)], True),
        (rates(again=30.1), [rates(resets=100)], False),
        (rates(invalid=5.1), [rates(resets=100, again=100)], False),
        (rates(invalid=29), [rates(invalid=10)], True),
    ],
)
def test_changed_host_may_have_so_many_times_the_median_or_the_floor(
    seen: Rates, untouched: list[Rates], *, passes: bool
) -> None:
    assert decide(GATE, {"web-1": seen}, untouched).passed is passes


def test_failing_gate_names_host_rate_and_what_is_allowed() -> None:
    hosts = {"web-1": rates(), "web-2": rates(41.25, 7), "web-3": rates(invalid=12)}
    result = decide(GATE, hosts, [rates(4.0), rates(5.0), rates(6.0)])
    assert result.detail == (
        "web-2 has 41.2 resets sent a second, allowed are 15; web-2 has 7 segments sent again a second, allowed are 5; "
        "web-3 has 12 INVALID packets a second, allowed are 5; compared with 3 untouched hosts"
    )


def test_large_rates_are_whole_numbers() -> None:
    result = decide(GATE, {"web-1": rates(12345.6)}, [rates(1234.5)])
    assert "has 12346 resets sent a second, allowed are 3704" in result.detail


def test_many_failing_hosts_are_counted() -> None:
    result = decide(GATE, {f"web-{number}": rates(9) for number in range(9)}, [QUIET])
    assert "; and 6 more; compared with 1 untouched host" in result.detail


def test_passing_gate_shows_the_highest_rates_beside_the_usual_ones() -> None:
    result = decide(GATE, {"web-1": rates(0.25, 3), "web-2": rates(1, 0)}, [rates(0.5, 2)])
    assert result.detail == (
        "at most 1 resets sent (usual 0.5), 3 segments sent again (usual 2), 0 INVALID packets (usual 0) a second"
        " on 2 changed hosts; compared with 1 untouched host"
    )


def test_without_untouched_hosts_only_the_floor_counts_and_it_is_said() -> None:
    result = decide(GATE, {"web-1": rates(4)}, [])
    assert result.passed
    assert "no untouched host to compare with, so only more than 5 a second would count" in result.detail


def test_changed_host_of_which_nothing_is_known_fails() -> None:
    result = decide(GATE, {"web-1": CannotTell("has rebooted between the two readings"), "web-2": QUIET}, [QUIET])
    assert not result.passed
    assert result.detail.startswith("cannot tell: web-1 has rebooted between the two readings; ")


def test_host_without_connection_tracking_is_named() -> None:
    result = decide(GATE, {"web-1": {"resets": 0.0, "again": 0.0}, "web-2": QUIET}, [QUIET])
    assert result.passed
    assert "INVALID packets are not counted on web-1" in result.detail


def test_detail_is_bounded_and_printable() -> None:
    hosts: dict[str, Rates | CannotTell] = {f"web-{number}": CannotTell("\x1b" * 900) for number in range(900)}
    detail = decide(GATE, hosts, []).detail
    assert detail.isprintable()
    assert len(detail) <= 500


@given(st.lists(st.integers(), unique=True), st.integers(min_value=1, max_value=50))
def test_sample_is_spread_over_the_inventory_without_repeats(numbers: list[int], most: int) -> None:
    hosts = [f"web-{number}" for number in numbers]
    chosen = sample(hosts, most)
    assert len(set(chosen)) == len(chosen) == min(most, len(hosts))
    assert sorted(chosen, key=hosts.index) == list(chosen)
    assert sample(hosts, most) == chosen
    places = [hosts.index(host) for host in chosen]
    gaps = [after - before for before, after in pairwise(places)]
    assert not gaps or max(gaps) - min(gaps) <= 1


@given(
    st.lists(st.floats(min_value=0, max_value=1e6), min_size=1, max_size=20),
    st.floats(min_value=0, max_value=1e6),
    st.floats(min_value=0, max_value=1e6),
)
def test_host_with_lower_rates_never_fares_worse(untouched: list[float], one: float, other: float) -> None:
    low, high = sorted((one, other))
    beside = [rates(each, each, each) for each in untouched]
    assert decide(GATE, {"a": rates(high)}, beside).passed <= decide(GATE, {"a": rates(low)}, beside).passed
