"""When connections are begun, with clocks and dice of the tests' own."""

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.model.errors import UnreachableError
from fleet.transport.throttle import FIRST_DELAY, MOST_TRIES, Pace, Throttle, Turns, delay_before_next

WAIT_SECONDS = 10

seconds = st.floats(min_value=0, max_value=100)
rates = st.floats(min_value=0.1, max_value=10_000)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@given(tries=st.integers(1, 2 * MOST_TRIES), spent=seconds, limit=seconds, drawn=st.floats(0, 1))
def test_a_delay_is_within_its_bounds_and_ends_within_the_limit(
    tries: int, spent: float, limit: float, drawn: float
) -> None:
    delay = delay_before_next(tries=tries, spent=spent, limit=limit, draw=lambda: drawn)
    if delay is None:
        assert tries >= MOST_TRIES or spent + drawn * FIRST_DELAY * 2 ** (tries - 1) > limit
    else:
        assert tries < MOST_TRIES
        assert 0 <= delay <= FIRST_DELAY * 2 ** (tries - 1)
        assert spent + delay <= limit


@given(seed=st.integers(), limit=seconds, each=st.floats(0, 10))
def test_no_try_begins_after_the_limit_and_there_are_few(seed: int, limit: float, each: float) -> None:
    draw = Random(seed).random  # noqa: S311 dice, not a secret
    begun, spent = [0.0], each
    while (delay := delay_before_next(tries=len(begun), spent=spent, limit=limit, draw=draw)) is not None:
        begun.append(spent + delay)
        spent += delay + each
    assert len(begun) <= MOST_TRIES
    assert all(moment <= limit for moment in begun[1:])


def test_the_whole_delay_is_drawn() -> None:
    assert delay_before_next(tries=3, spent=0, limit=20, draw=lambda: 0.0) == 0
    assert delay_before_next(tries=3, spent=0, limit=20, draw=lambda: 0.25) == 0.5
    assert delay_before_next(tries=3, spent=0, limit=20, draw=lambda: 1.0) == 2


@given(asked=st.lists(st.tuples(st.floats(0, 2), rates), min_size=1, max_size=50))
def test_connections_begin_no_closer_than_their_rate_allows(asked: list[tuple[float, float]]) -> None:
    clock = Clock()
    pace = Pace(clock)
    moments = []
    for idle, rate in asked:
        clock.now += idle
        wait = pace.reserve(rate)
        assert wait >= 0
        moments.append((clock.now + wait, rate))
    assert all(later - earlier >= 1 / rate - 1e-9 for (earlier, rate), (later, _) in pairwise(moments))


def test_time_in_which_nobody_asked_is_not_made_up_for() -> None:
    clock = Clock()
    pace = Pace(clock)
    clock.now += 60
    assert [pace.reserve(4.0) for _ in range(4)] == [0, 0.25, 0.5, 0.75]


def test_no_more_logins_are_under_way_by_one_way_than_allowed() -> None:
    turns, way = Turns(), Throttle(way="bastion", logins=2)
    asked, third = threading.Event(), threading.Event()

    def log_in() -> None:
        asked.set()
        with turns.turn("c", way):
            third.set()

    with ThreadPoolExecutor(1) as pool, turns.turn("a", way):
        with turns.turn("b", way):
            done = pool.submit(log_in)
            assert asked.wait(WAIT_SECONDS)
            assert not third.wait(0.1)
        assert third.wait(WAIT_SECONDS)
        done.result(WAIT_SECONDS)


def test_other_ways_are_not_held_back() -> None:
    turns = Turns()
    with (
        turns.turn("a", Throttle(way="bastion", logins=1)),
        turns.turn("b", Throttle(way="other", logins=1)),
        turns.turn("c", Throttle()),
    ):
        pass


def test_a_login_that_failed_makes_room() -> None:
    turns, way = Turns(), Throttle(way="bastion", logins=1)
    with pytest.raises(ValueError, match="refused"), turns.turn("a", way):
        raise ValueError("refused")
    with turns.turn("b", way):
        pass


def test_the_end_of_the_run_wakes_whoever_waits() -> None:
    turns, busy, slow = Turns(), Throttle(way="bastion", logins=1), Throttle(per_second=0.1)

    def wait(throttle: Throttle) -> str:
        with pytest.raises(UnreachableError) as caught, turns.turn("n1", throttle):
            pass
        return str(caught.value)

    with turns.turn("a", slow), turns.turn("b", busy), ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(wait, throttle) for throttle in (busy, slow)]
        turns.end()
        assert {each.result(WAIT_SECONDS) for each in waiting} == {"the run has ended"}
