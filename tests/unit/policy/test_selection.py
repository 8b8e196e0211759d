"""Which hosts a selection means, and what is refused."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.model.errors import UsageError
from fleet.policy.condition import And, Condition, Everything, Field, Named, Not, Or
from fleet.policy.host import HostView
from fleet.policy.selection import Selection, parse_selection, select

HOSTS = (
    HostView(name="web-1", groups=("k3s", "prod"), data={"role": "web", "site": {"rack": 3}}, address="10.0.0.1"),
    HostView(name="web-2", groups=("k3s",), data={"role": "web", "maintenance": True}, address="10.0.0.2"),
    HostView(name="db-01", groups=("prod",), data={"role": "db", "site": {"rack": 4}}, address="10.0.0.3"),
    HostView(name="db-02", groups=("prod",), data={"role": "db", "maintenance": False}, address="10.0.0.4"),
    HostView(name="db-09", groups=(), data={"role": "two words", "weight": 1.5}, address="10.0.0.5"),
)
NAMES = tuple(host.name for host in HOSTS)


def selected(text: str) -> dict[str, str]:
    return {chosen.host.name: chosen.why for chosen in select(parse_selection(text), HOSTS)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all", dict.fromkeys(NAMES, "all")),
        ("web-1", {"web-1": "name web-1"}),
        ("web-*", {"web-1": "name web-*", "web-2": "name web-*"}),
        ("db-0[1-3]", {"db-01": "name db-0[1-3]", "db-02": "name db-0[1-3]"}),
        ("db-0?", {"db-01": "name db-0?", "db-02": "name db-0?", "db-09": "name db-0?"}),
        ("k3s", {"web-1": "group k3s", "web-2": "group k3s"}),
        ("web-1,db-01", {"web-1": "name web-1", "db-01": "name db-01"}),
        ("web-1, db-01 or db-02", {"web-1": "name web-1", "db-01": "name db-01", "db-02": "name db-02"}),
        ("role=db", {"db-01": "role=db", "db-02": "role=db"}),
        ("role = db", {"db-01": "role=db", "db-02": "role=db"}),
        ("site.rack=3", {"web-1": "site.rack=3"}),
        ("weight=1.5", {"db-09": "weight=1.5"}),
        ('role="two words"', {"db-09": "role=two words"}),
        ("maintenance", {"web-2": "maintenance is set"}),
        ("maintenance=false", {"db-02": "maintenance=false"}),
        ("k3s and not maintenance", {"web-1": "group k3s and not maintenance"}),
        ("k3s and prod", {"web-1": "group k3s and group prod"}),
        ("not (k3s or prod)", {"db-09": "not (k3s or prod)"}),
        ("prod and web-1 or db-09", {"web-1": "group prod and name web-1", "db-09": "name db-09"}),
        ("prod and (web-1 or db-01)", {"web-1": "group prod and name web-1", "db-01": "group prod and name db-01"}),
        ("not not k3s", {"web-1": "not not k3s", "web-2": "not not k3s"}),
        ("'web-1'", {"web-1": "name web-1"}),
        ("role=dbb", {}),
    ],
)
def test_hosts_are_selected_and_the_reason_is_told(text: str, expected: dict[str, str]) -> None:
    assert selected(text) == expected


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "the selection is empty"),
        ("   ", 1, "the selection is empty"),
        ("k3s and", 8, "expected a host, group or field before the end"),
        ("and k3s", 1, "expected a host, group or field before 'and'"),
        ("web-1,,db-01", 7, "expected a host, group or field before ','"),
        ("web-1 db-01", 7, "expected 'and', 'or' or a comma before 'db-01'"),
        ("k3s AND prod", 5, "expected 'and', 'or' or a comma before 'AND'"),
        ("(k3s or prod", 13, "the parenthesis of column 1 is not closed"),
        ("k3s)", 4, "expected 'and', 'or' or a comma before ')'"),
        ("not", 4, "expected a host, group or field before the end"),
        ("role=", 6, "expected a value after 'role='"),
        ("role==db", 6, "expected a value after 'role='"),
        ("role!=db", 5, "there is no '!='"),
        ("!k3s", 1, "'!k3s' begins with '!'"),
        ("k3s and 'web", 9, "the quote is not closed"),
        ("(" * 60 + "k3s" + ")" * 60, 51, "nested more than 50 levels deep"),
        ("not " * 60 + "k3s", 201, "nested more than 50 levels deep"),
    ],
)
def test_what_is_no_selection_is_refused_with_its_column(text: str, column: int, message: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse_selection(text)
    first, shown, caret, *_ = [*str(refusal.value).split("\n"), ""]
    assert first == f"{message}, column {column}"
    assert shown.rstrip() == f"  {text}".rstrip()
    assert caret.index("^") == column + 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "k3s and not maintenence",
            "the inventory has no host, group or data field 'maintenence', column 13\n  k3s and not maintenence\n"
            + " " * 14
            + "^\ndid you mean 'maintenance'?",
        ),
        (
            "web-1, roel=db",
            "the inventory has no data field 'roel', column 8\n  web-1, roel=db\n         ^\ndid you mean 'role'?",
        ),
        ("cache-*", "the inventory has no host, group or data field 'cache-*', column 1\n  cache-*\n  ^"),
        ("not 'maintenance'", "the inventory has no host, group or data field 'maintenance', column 5\n"),
        ("site.rak=3", "the inventory has no data field 'site.rak', column 1\n"),
    ],
)
def test_a_name_that_the_inventory_does_not_have_is_refused(text: str, expected: str) -> None:
    with pytest.raises(UsageError) as refusal:
        selected(text)
    assert str(refusal.value).startswith(expected)


def test_a_declared_group_without_hosts_is_known() -> None:
    chosen = select(parse_selection("not draining"), HOSTS, groups=["draining"])
    assert len(chosen) == len(HOSTS)


def test_a_field_that_no_host_has_set_is_known_as_long_as_one_host_has_it() -> None:
    hosts = (HostView(name="a", groups=(), data={"maintenance": False}, address="a"),)
    assert [chosen.host.name for chosen in select(parse_selection("not maintenance"), hosts)] == ["a"]


words = st.text(alphabet="abz019-_.*?[]:@", min_size=1, max_size=8).filter(lambda word: word != "all")
quoted = st.text(alphabet="ab ()=,'*", min_size=1, max_size=8)
values = st.text(alphabet="ab ()=,'*", max_size=6)
atoms = st.one_of(
    st.just(Everything()),
    st.builds(Named, words),
    st.builds(Named, quoted, quoted=st.just(value=True)),
    st.builds(Field, words, values),
)


def _combined(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    operands = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.builds(Not, inner) | st.builds(And, operands) | st.builds(Or, operands)


@given(st.recursive(atoms, _combined, max_leaves=12))
def test_the_text_of_a_selection_reads_back_as_an_equal_one(condition: Condition) -> None:
    assert parse_selection(str(condition)) == Selection(condition, "")


known_atoms = st.sampled_from(["all", "web-*", "k3s", "prod", "role=db", "maintenance", "db-09", "'web-1'"])


@given(known_atoms, known_atoms)
def test_de_morgan(left: str, right: str) -> None:
    assert set(selected(f"not ({left} or {right})")) == set(selected(f"not {left} and not {right}"))
    assert set(selected(f"not ({left} and {right})")) == set(selected(f"not {left} or not {right}"))
    assert set(selected(f"not ({left})")) == set(NAMES) - set(selected(left))


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused_as_a_usage_error(text: str) -> None:
    try:
        parse_selection(text)
    except UsageError as refusal:
        assert str(refusal)  # noqa: PT017  # not every text is refused


def test_ten_thousand_hosts_are_selected_quickly() -> None:
    hosts = [
        HostView(name=f"node-{n:05}", groups=("k3s",), data={"role": "db", "site": {"rack": n % 7}}, address="a")
        for n in range(10_000)
    ]
    started = time.thread_time()
    chosen = select(parse_selection("k3s and (node-0[0-4]* or site.rack=3) and not node-00001"), hosts)
    assert time.thread_time() - started < 1
    assert len(chosen) == 4_999 + sum(n % 7 == 3 for n in range(5_000, 10_000))
