"""Each cause of a difference, told apart from the others, and from nothing at all."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from support.drift import (
    FIN,
    OTHER_MACHINE,
    PLAYBOOK,
    RANGE,
    START,
    Checks,
    audited,
    checks_in,
    facts,
    items,
    live,
    rebooted,
    told,
    write_playbook,
)

from fleet.drift.check import Known, compare
from fleet.model.drift import DriftReport
from fleet.model.errors import UnreachableError
from fleet.model.facts import NodeProcess, Reason, Unavailable
from fleet.policy import load_playbook
from fleet.report.drift_status import drift_exit_code
from fleet.runner.audit import iso

K3S = NodeProcess(pid=412, name="k3s-server", arguments=("k3s", "server"), config="", image="")
ESTABLISHED = "net.netfilter.nf_conntrack_tcp_timeout_established"
K3S_PLAYBOOK = f"""\
name: Hold a cluster
controls:
  - id: established
    title: Idle connections stay known
    impact: high
    setting: {{sysctl: {ESTABLISHED}}}
    state: live
    expect: {{at_least: 100000}}
    set: 432000
    why: They are reset.
"""


@pytest.fixture
def checks(tmp_path: Path) -> Iterator[Checks]:
    with checks_in(tmp_path) as made:
        yield made


def test_a_node_without_findings_is_noted_as_new_once(checks: Checks) -> None:
    assert told(checks.check(facts()), "noted") == [("new-node", "node")]
    second = checks.check(facts())
    assert (told(second), told(second, "noted"), drift_exit_code(second)) == ([], [], 0)


def test_findings_of_a_new_node_are_told_as_those_of_a_new_node_for_good(checks: Checks) -> None:
    bad = live(facts(), fin="60")
    for _ in range(3):
        assert told(checks.check(bad)) == [("new-node", "fin")]
    first, _, third = (items(report)[0] for report in checks.reports)
    assert (third.first_seen, third.last_seen) == (first.first_seen, checks.reports[2].started)


def test_a_value_that_moves_by_itself_is_drift_with_first_and_last_seen_and_is_closed_when_gone(
    checks: Checks,
) -> None:
    checks.check(facts())
    seen = [checks.check(live(facts(), fin="60")) for _ in range(3)]
    assert [told(report) for report in seen] == [[("drift", "fin")]] * 3
    [item] = items(seen[2])
    assert (item.first_seen, item.last_seen) == (seen[0].started, seen[2].started)
    assert (item.deviation.value, item.deviation.was, item.deviation.impact) == ("60", "30", "high")
    assert [drift_exit_code(report) for report in seen] == [3, 3, 3]
    gone = checks.check(facts())
    [closed] = items(gone, "closed")
    assert (closed.first_seen, closed.last_seen, closed.closed) == (
        seen[0].started,
        seen[2].started,
        gone.started,
    )
    assert (told(gone), drift_exit_code(gone)) == ([], 0)
    after = checks.check(facts())
    assert after.hosts["web-1"].items == ()


def test_drift_that_comes_back_is_a_new_item(checks: Checks) -> None:
    for node in (facts(), live(facts(), fin="60"), facts()):
        checks.check(node)
    again = checks.check(live(facts(), fin="60"))
    assert [item.first_seen for item in items(again)] == [again.started]


def test_drift_within_what_is_expected_is_noted_and_not_open(checks: Checks) -> None:
    checks.check(facts())
    moved = checks.check(live(facts(), fin="20"))
    assert (told(moved), told(moved, "noted"), drift_exit_code(moved)) == ([], [("drift", FIN)], 0)
    assert told(checks.check(live(facts(), fin="20")), "noted") == []


def test_another_spelling_of_the_kernel_is_no_drift(checks: Checks) -> None:
    checks.check(live(facts(), range="32768\t60999"))
    spelled = checks.check(facts())
    assert (told(spelled), told(spelled, "noted")) == ([], [("reformatted", RANGE)])


def test_the_value_of_a_known_writer_is_the_writers(checks: Checks) -> None:
    checks.text = K3S_PLAYBOOK
    node = facts({ESTABLISHED: "432000"}, processes=(K3S,))
    assert told(checks.check(node)) == []
    written = facts({ESTABLISHED: "86400"}, processes=(K3S,))
    assert told(checks.check(written)) == [("writer", "established")]
    other = facts({ESTABLISHED: "50000"}, processes=(K3S,))
    assert told(checks.check(other)) == [("drift", "established")]


def test_what_a_reboot_leaves_as_it_was_foretold_is_the_reboots(checks: Checks) -> None:
    # The files leave 60, which the playbook lets pass until the reboot makes it live.
    checks.text = PLAYBOOK.replace(
        "    setting: {sysctl: net.ipv4.tcp_fin_timeout}\n",
        "    setting: {sysctl: net.ipv4.tcp_fin_timeout}\n    state: live\n",
    )
    node = live(facts({FIN: "60"}), fin="30")
    assert told(checks.check(node)) == []
    report = checks.check(rebooted(facts({FIN: "60"})))
    assert (told(report), told(report, "noted")) == ([("rebooted", "fin")], [("rebooted", "node")])


def test_what_a_reboot_does_not_explain_is_drift(checks: Checks) -> None:
    checks.check(facts())
    report = checks.check(live(rebooted(facts()), fin="77"))
    assert (told(report), told(report, "noted")) == ([("drift", "fin")], [("rebooted", "node")])


def test_a_reboot_that_changes_nothing_is_noted(checks: Checks) -> None:
    checks.check(facts())
    report = checks.check(rebooted(facts()))
    assert (told(report), told(report, "noted"), drift_exit_code(report)) == ([], [("rebooted", "node")], 0)
    assert told(checks.check(rebooted(facts())), "noted") == []


def test_a_changed_playbook_is_not_the_nodes_doing(checks: Checks) -> None:
    checks.check(facts())
    checks.text = PLAYBOOK.replace("at_most: 40", "at_most: 20").replace("set: 30", "set: 20")
    assert told(checks.check(facts())) == [("playbook", "fin")]
    assert told(checks.check(facts())) == [("playbook", "fin")]
    assert told(checks.check(live(facts(), fin="90"))) == [("drift", "fin")]


def test_a_new_control_of_a_changed_playbook_is_the_playbooks(checks: Checks) -> None:
    node = live(facts({"net.core.somaxconn": "128"}))
    checks.check(node)
    checks.text += (
        "  - {id: backlog, title: t, impact: low, why: w, setting: {sysctl: net.core.somaxconn}, expect: {equals: 9}}\n"
        "  - {id: other, title: t, impact: low, why: w, setting: {module: br_netfilter}, expect: {loaded: true}}\n"
    )
    assert told(checks.check(node)) == [("playbook", "backlog"), ("playbook", "other")]


def test_an_exception_that_has_ended_is_the_playbooks(checks: Checks) -> None:
    checks.text += "exceptions:\n  - {control: loaded, hosts: all, reason: r, owner: o, expires: 2026-11-20}\n"
    node = facts(modules=frozenset())
    assert told(checks.check(node)) == []
    checks.now = checks.now.replace(day=21)
    assert told(checks.check(node)) == [("playbook", "loaded")]


def test_another_machine_under_the_same_name_is_a_new_node(checks: Checks) -> None:
    checks.check(facts())
    report = checks.check(live(facts(identity=OTHER_MACHINE), fin="60"))
    assert (told(report), told(report, "noted")) == ([("new-node", "fin")], [("new-node", "node")])


def test_a_module_that_is_gone_is_drift_and_after_a_reboot_the_reboots(checks: Checks) -> None:
    checks.check(facts())
    assert told(checks.check(facts(modules=frozenset()))) == [("drift", "loaded")]
    checks.check(facts())
    assert told(checks.check(rebooted(facts(modules=frozenset())))) == [("rebooted", "loaded")]


def test_a_file_that_would_change_the_next_boot_is_drift_though_the_value_is_as_before(checks: Checks) -> None:
    checks.check(facts())
    edited = live(facts({FIN: "300"}), fin="30")
    assert told(checks.check(edited)) == [("drift", "fin")]


def test_what_cannot_be_read_is_neither_opened_nor_closed(checks: Checks) -> None:
    unread = Unavailable(Reason.NEEDS_ROOT)
    hidden = replace(facts(), sysctls={**facts().sysctls, FIN: replace(facts().sysctls[FIN], value=unread)})
    checks.check(facts())
    assert told(checks.check(hidden)) == []
    opened = checks.check(live(facts(), fin="60"))
    [item] = items(checks.check(hidden))
    assert (item.deviation.kind, item.last_seen) == ("drift", opened.started)
    assert told(checks.check(live(facts(), fin="60"))) == [("drift", "fin")]
    assert told(checks.check(facts()), "closed") == [("drift", "fin")]


def test_a_host_that_cannot_be_reached_keeps_what_is_open(checks: Checks) -> None:
    checks.check(facts())
    opened = checks.check(live(facts(), fin="60"))
    report = checks.check(UnreachableError("web-1", "no route to host"))
    [item] = items(report)
    assert (item.last_seen, report.hosts["web-1"].status, drift_exit_code(report)) == (
        opened.started,
        "unreachable",
        1,
    )


def test_control_that_leaves_the_playbook_closes_its_item(checks: Checks) -> None:
    checks.check(facts())
    checks.check(live(facts(), fin="60"))
    checks.text = PLAYBOOK.replace("at_most: 40", "at_most: 400")
    assert told(checks.check(live(facts(), fin="60")), "closed") == [("drift", "fin")]


def test_a_second_value_of_the_same_drift_is_the_same_item(checks: Checks) -> None:
    checks.check(facts())
    first = checks.check(live(facts(), fin="60"))
    [item] = items(checks.check(live(facts(), fin="70")))
    assert (item.first_seen, item.deviation.value, item.deviation.was) == (first.started, "70", "60")


def test_without_a_history_the_cause_is_not_known_and_findings_are_open_nevertheless(tmp_path: Path) -> None:
    policy = load_playbook(write_playbook(tmp_path))
    report, _ = compare(audited(policy, {"web-1": live(facts(), fin="60")}, START), policy, None)
    assert (told(report), drift_exit_code(report)) == ([("unknown", "fin")], 3)
    assert "since when something differs, and why, is not known" in report.notes[0]


def test_a_thousand_checks_of_unchanged_nodes_never_alarm(tmp_path: Path) -> None:
    nodes = {
        "good": facts(),
        "tabs": live(facts(), range="32768\t60999"),
        "k3s": facts({ESTABLISHED: "86400"}, processes=(K3S,)),
        "nothing-read": facts({FIN: "30"}, modules=Unavailable(Reason.NEEDS_ROOT)),
        "no-ids": facts(identity=replace(OTHER_MACHINE, boot_id=Unavailable(Reason.ABSENT))),
        "never-hardened": live(facts(), fin="60"),
    }
    policy = load_playbook(write_playbook(tmp_path))
    known = Known()
    reports: list[DriftReport] = []
    audit = audited(policy, nodes, START)
    for number in range(1000):
        at = START + timedelta(minutes=number)
        report, states = compare(replace(audit, started=iso(at)), policy, known)
        reports.append(report)
        known = Known(
            states={**known.states, **states},
            items=[item for host in report.hosts.values() for item in host.items if item.state == "open"],
        )
    first, *others = reports
    assert {name for name, host in first.hosts.items() if told(first, host=name)} == {"never-hardened"}
    for report in others:
        assert [told(report, host=name) for name in nodes] == [*[[]] * 5, [("new-node", "fin")]]
        assert not any(told(report, state, name) for state in ("closed", "noted") for name in nodes)
