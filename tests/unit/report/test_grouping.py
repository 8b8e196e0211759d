import subprocess
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.audits import audit_of, k3s_node, sample_audit

from fleet.model.finding import Source
from fleet.report.grouping import by_control, fold_names, name_hosts
from fleet.report.status import NOTEWORTHY


def test_hosts_with_the_same_outcome_are_told_together() -> None:
    liberal, established, ports, buckets, pods, fin = by_control(sample_audit(), NOTEWORTHY)
    assert [group.control for group in (liberal, established, ports, buckets, pods, fin)] == [
        "conntrack-be-liberal",
        "conntrack-timeout-established",
        "port-range-nodeports",
        "conntrack-buckets",
        "pod-values-core-somaxconn",
        "tcp-fin-timeout",
    ]
    (verdict,) = liberal.verdicts
    assert verdict.hosts == (*(f"web-0{number}" for number in range(1, 7)), "k3s-server-1", "db-1")
    assert [(state.live, state.expected) for state in verdict.settings] == [("0", "1")]
    assert (liberal.count("fail"), liberal.count("warn")) == (8, 0)


def test_hosts_that_differ_in_process_ids_and_file_names_only_are_told_together_with_what_each_has() -> None:
    established = by_control(sample_audit(), NOTEWORTHY)[1]
    (verdict,) = established.verdicts
    assert verdict.hosts == ("k3s-agent-2", "k3s-agent-3")
    assert [settings[0].boot_source for settings in verdict.each] == [
        Source(path="/etc/sysctl.d/90-conntrack.conf", line=3),
        Source(path="/etc/sysctl.d/95-local.conf", line=3),
    ]


@pytest.mark.parametrize(
    "changed",
    [
        {"live": "9"},
        {"boot": "9"},
        {"after_reboot": "9"},
        {"expected": "9"},
        {"scope": "namespace"},
        {"writers": ()},
        {"boot_note": "lost"},
    ],
)
def test_hosts_that_differ_in_what_matters_are_told_apart(changed: dict[str, Any]) -> None:
    one, other = k3s_node("one"), k3s_node("other")
    (setting,) = other.settings
    (group,) = by_control(audit_of(one, replace(other, settings=(replace(setting, **changed),))), NOTEWORTHY)
    assert [verdict.hosts for verdict in group.verdicts] == [("one",), ("other",)]


def test_only_the_asked_statuses_are_grouped() -> None:
    assert [group.control for group in by_control(sample_audit(), {"skip"})] == ["ipvs-timeouts"]


@pytest.mark.parametrize(
    ("names", "folded"),
    [
        (["web-01", "web-02", "web-03"], "web-{01..03}"),
        (["web-9", "web-10", "web-11"], "web-{9..11}"),
        (["web-1", "web-2"], "web-1, web-2"),
        (["web-98", "web-99", "web-100"], "web-{98..100}"),
        (["n-08", "n-09", "n-10", "n-11"], "n-{08..11}"),
        (["r1.example", "r2.example", "r3.example", "db"], "r{1..3}.example, db"),
        (["a1", "b2", "a3"], "a1, b2, a3"),
        (["10.0.0.1", "10.0.0.2", "10.0.0.3"], "10.0.0.{1..3}"),
        ([f"n-{number:02}" for number in range(1, 103)], "n-{01..99}, n-{100..102}"),
        ([], ""),
    ],
)
def test_runs_of_numbers_are_folded(names: list[str], folded: str) -> None:
    assert fold_names(names) == folded


few_names = st.lists(st.from_regex(r"[a-c]-[0-9]{1,3}(\.x)?", fullmatch=True), max_size=12)
runs = st.builds(
    lambda first, count, width: [f"n{number:0{width}}" for number in range(first, first + count)],
    st.integers(0, 105),
    st.integers(0, 20),
    st.integers(1, 3),
)


@settings(max_examples=50)
@given(few_names | runs)
def test_a_shell_unfolds_the_names_again(names: list[str]) -> None:
    words = fold_names(names).replace(",", "")
    unfolded = subprocess.run(["bash", "-c", f"echo {words}"], capture_output=True, text=True, check=True).stdout
    assert unfolded.split() == names


def test_most_hosts_are_named_by_the_few_that_are_not_meant() -> None:
    everyone = [f"web-{number}" for number in range(1, 11)]
    assert name_hosts(everyone, everyone) == "all 10 checked hosts"
    assert name_hosts(everyone[1:], everyone) == "all 10 checked hosts but web-1"
    assert name_hosts(everyone[:5], everyone) == "web-{1..5}"
    assert name_hosts(["db"], ["db"]) == "db"


def test_names_are_told_in_the_order_of_their_numbers_whatever_the_order_of_the_inventory() -> None:
    everyone = ["n-10", "db", "n-9", "n-8", *(f"x-{number}" for number in range(10))]
    assert name_hosts(["n-10", "db", "n-9", "n-8"], everyone) == "db, n-{8..10}"
