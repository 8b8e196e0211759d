"""How hosts are cut into batches, and what a batch comes to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.model.rollout import GateResult, HostRun, RunError
from fleet.rollout.batches import batches
from fleet.rollout.decide import failed_gate, summary, too_late, too_many_failed

SIZES = st.lists(
    st.one_of(st.integers(1, 30), st.integers(1, 100).map(lambda number: f"{number}%"), st.just("0.5%")), max_size=4
)


@pytest.mark.parametrize(
    ("count", "serial", "sizes"),
    [
        (5, (), [5]),
        (5, (2,), [2, 2, 1]),
        (10, (1, "10%", "50%"), [1, 1, 5, 3]),
        (200, (1, "10%", "50%"), [1, 20, 100, 79]),
        (10, ("25%",), [2, 2, 2, 2, 2]),
        (3, ("1%",), [1, 1, 1]),
        (100, ("29%",), [29, 29, 29, 13]),
        (3, (5,), [3]),
        (4, ("100%",), [4]),
        (0, (), []),
        (0, (1, 2), []),
    ],
)
def test_batches_are_cut_as_ansible_does(count: int, serial: tuple[int | str, ...], sizes: list[int]) -> None:
    cut = batches([f"h{number}" for number in range(count)], serial)
    assert [len(batch) for batch in cut] == sizes


@given(hosts=st.integers(0, 500), serial=SIZES)
def test_every_host_is_in_one_batch_in_its_order_and_no_batch_is_empty(hosts: int, serial: list[int | str]) -> None:
    names = [f"h{number}" for number in range(hosts)]
    cut = batches(names, serial)
    assert [name for batch in cut for name in batch] == names
    assert all(cut)
    if serial:
        assert len(cut) <= max(hosts, 1)


def host(name: str, status: str, message: str = "") -> HostRun:
    error = RunError(kind="internal", message=message) if message else None
    return HostRun(name=name, status=status, node="before", error=error)  # type: ignore[arg-type]


def test_more_than_the_percentage_stops_and_names_the_first_failures() -> None:
    hosts = [host("a", "failed", "x"), host("b", "changed"), host("c", "unreachable", "y"), host("d", "undone")]
    assert too_many_failed(hosts, 75) == ""
    assert too_many_failed(hosts, 74.9) == ("3 of 4 hosts failed, which is 75 % and more than 74.9 % (a: x; c: y)")
    many = [host(f"h{number}", "failed", "why") for number in range(6)]
    assert too_many_failed(many, 0).endswith("(h0: why; h1: why; h2: why and 3 more)")
    assert too_many_failed([host("a", "undone")], 0) == "1 of 1 host failed, which is 100 % and more than 0 %"


@given(failed=st.integers(0, 50), fine=st.integers(0, 50), most=st.floats(0, 100))
def test_the_decision_is_that_of_ansible(failed: int, fine: int, most: float) -> None:
    hosts = [host(f"f{n}", "failed") for n in range(failed)] + [host(f"c{n}", "changed") for n in range(fine)]
    if hosts:
        assert bool(too_many_failed(hosts, most)) == (failed / len(hosts) * 100 > most)


def test_a_batch_in_words() -> None:
    hosts = [host("a", "changed"), host("b", "changed"), host("c", "noop"), host("d", "not-reached")]
    assert summary(hosts) == "2 confirmed, 1 without changes, 1 not reached"


def test_the_gate_that_failed_is_named() -> None:
    passed = GateResult(kind="verify", passed=True, detail="all pass")
    failed = GateResult(kind="rates", passed=False, detail="n1: 40 resets a second")
    assert failed_gate((passed,)) == ""
    assert failed_gate((passed, failed)) == "the gate rates failed: n1: 40 resets a second"


def test_who_is_too_late() -> None:
    assert too_late({"a": 9.9, "b": 10.0, "c": -1.0}, 10.0) == ("a", "c")
