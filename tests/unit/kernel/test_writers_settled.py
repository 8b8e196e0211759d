from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.kernel.writers import Write, Writer, settled
from fleet.kernel.writers.writer import Rule

KEY = "net.netfilter.nf_conntrack_max"


def _writer(
    *writes: Write, name: str = "a", service: str = "", after: tuple[str, ...] = (), key: str = KEY, reason: str = ""
) -> Writer:
    return Writer(
        name=name,
        kind="tuned",
        key=key,
        when="service start",
        service=service or name,
        after=after,
        writes=writes,
        reason=reason,
        evidence=("seen",),
    )


def _write(rule: Rule, value: str | None) -> Write:
    return Write(rule=rule, value=value)


_SETS_5 = _write("sets", "5")


@pytest.mark.parametrize(
    ("start", "writes", "expected"),
    [
        ("10", (_SETS_5,), "5"),
        (None, (_SETS_5,), "5"),
        ("10", (_write("raises", "5"),), "10"),
        ("3", (_write("raises", "5"),), "5"),
        (None, (_write("raises", "5"),), None),
        ("10", (_write("lowers", "5"),), "5"),
        ("3", (_write("lowers", "5"),), "3"),
        ("10", (_write("demands", "5"),), "10"),
        (None, (_write("demands", "5"),), None),
        ("10", (_SETS_5, _write("raises", "5")), None),
        ("3", (_SETS_5, _write("raises", "5")), "5"),
        ("5", (_SETS_5, _write("leaves", None)), "5"),
        ("3", (_SETS_5, _write("leaves", None)), None),
        ("10", (), None),
        ("odd", (_write("raises", "5"),), None),
    ],
)
def test_a_writer_moves_the_value_by_its_rule(
    start: str | None, writes: tuple[Write, ...], expected: str | None
) -> None:
    found = settled(KEY, start, start, [_writer(*writes)])
    assert found.after_reboot.value == expected
    assert found.after_reboot.reason
    assert {service: outcome.value for service, outcome in found.after_restart.items()} == {"a": expected}


def test_without_writers_the_boot_decides() -> None:
    found = settled(KEY, "1", "2", [_writer(_SETS_5, key="net.ipv4.ip_forward")])
    assert found.after_reboot.value == "2"
    assert found.after_restart == {}


def test_a_restart_starts_from_the_live_value_and_runs_one_service_only() -> None:
    writers = [_writer(_write("raises", "5"), name="a"), _writer(_write("sets", "7"), name="b")]
    found = settled(KEY, "9", "1", writers)
    assert found.after_restart["a"].value == "9"
    assert found.after_restart["b"].value == "7"


def test_a_known_order_gives_a_known_value() -> None:
    first, last = _writer(_write("sets", "9"), name="first"), _writer(_SETS_5, name="last", after=("first",))
    for writers in permutations([first, last]):
        assert settled(KEY, "1", "1", writers).after_reboot.value == "5"


def test_an_unknown_order_gives_a_value_only_where_it_does_not_matter() -> None:
    contrary = [_writer(_write("sets", "9"), name="a"), _writer(_SETS_5, name="b")]
    assert settled(KEY, "1", "1", contrary).after_reboot.value is None
    assert "order" in settled(KEY, "1", "1", contrary).after_reboot.reason
    agreeing = [_writer(_write("raises", "9"), name="a"), _writer(_write("raises", "5"), name="b")]
    assert settled(KEY, "1", "1", agreeing).after_reboot.value == "9"


def test_the_reason_of_an_unknown_value_is_the_writers_own() -> None:
    outcome = settled(KEY, "1", "1", [_writer(reason="its file could not be read")]).after_reboot
    assert outcome.value is None
    assert outcome.reason == "a: its file could not be read"


def test_an_unknown_boot_value_is_not_told_too_where_a_writer_is_what_is_not_known() -> None:
    outcome = settled(KEY, "1", None, [_writer(reason="its file could not be read")]).after_reboot
    assert (outcome.value, outcome.reason) == (None, "a: its file could not be read")


def test_an_unknown_boot_value_is_said_to_be_unknown() -> None:
    outcome = settled(KEY, "1", None, [_writer(_write("raises", "5"))]).after_reboot
    assert outcome.value is None
    assert "after the files of the boot is not known" in outcome.reason


_WRITES = st.builds(
    lambda rule, value: Write(rule=rule, value=None if rule == "leaves" else str(value)),
    st.sampled_from(["sets", "raises", "lowers", "demands", "leaves"]),
    st.integers(0, 3),
)


@given(
    start=st.integers(0, 3),
    services=st.lists(st.lists(_WRITES, min_size=1, max_size=2), max_size=3),
    data=st.data(),
)
def test_a_known_value_is_what_every_choice_in_every_order_leads_to(
    start: int, services: list[list[Write]], data: st.DataObject
) -> None:
    writers = [_writer(*writes, name=str(index)) for index, writes in enumerate(services)]
    known = settled(KEY, None, str(start), writers).after_reboot.value
    value = start
    for writer in data.draw(st.permutations(writers)):
        write = data.draw(st.sampled_from(writer.writes))
        number = int(write.value or 0)
        match write.rule:
            case "sets":
                value = number
            case "raises":
                value = max(value, number)
            case "lowers":
                value = min(value, number)
    assert known in {None, str(value)}
