"""Red before and green after, on this kernel: 20 of 20 connections in every cell, as root and without any right."""

import os
from collections.abc import Callable

import pytest
from support.proofs import MEASURED
from support.proving import HARDENED, ROOT, RUNS, USER, Proofs

from fleet.kernel.invalid import BE_LIBERAL
from fleet.kernel.version import parse_release
from fleet.model.proof import Cell, Fix, Proof
from fleet.prove import SCENARIOS, Node, Subject, prepare, prove, this_machine
from fleet.report.prove_terminal import render_proof

IS_OLD = parse_release(os.uname().release) < (6, 1)


@pytest.fixture(params=[ROOT, USER])
def whole(request: pytest.FixtureRequest, proofs: Proofs) -> Proof:
    """Every scenario under every fix."""
    if request.param in proofs.missing:
        pytest.skip(proofs.missing[request.param])
    return proofs.proof(request.param)


def cells(proof: Proof) -> dict[tuple[str, Fix], Cell]:
    return {(scenario.name, cell.fix): cell for scenario in proof.scenarios for cell in scenario.cells}


def test_every_cell_is_as_was_measured_twenty_times_of_twenty(
    whole: Proof, record_property: Callable[[str, object], None]
) -> None:
    who = "root" if whole.as_root else "a user without rights"
    record_property(f"matrix of the proof, as {who}", render_proof(whole, verbosity=0, width=None).plain)
    for (name, fix), cell in cells(whole).items():
        expected = MEASURED.get(name, {}).get(fix) or SCENARIOS[name].promises[fix]
        found = {outcome: count for outcome, count in cell.outcomes.items() if count}
        if not (name == "old-segment" and fix == "before" and IS_OLD) and not cell.skipped:
            assert found == {expected: RUNS}, (name, fix, cell)
        assert cell.refused == {}
    assert whole.holds


def test_nothing_is_left_out(whole: Proof) -> None:
    assert {(name, fix) for name, scenario in SCENARIOS.items() for fix in scenario.fixes(HARDENED)} == {*cells(whole)}
    skipped = {name: cell.skipped for (name, _), cell in cells(whole).items() if cell.skipped}
    # Tables of more than half a million entries are not filled, and machines without IPv6 send nothing over it.
    assert set(skipped) <= {"eviction", "full-table", "above-window-ipv6"}, skipped


@pytest.mark.parametrize("name", ["above-window", "above-window-ipv6"])
def test_one_reset_is_told_by_both_ends_by_who_sent_it_and_by_the_counters_of_each_namespace(
    whole: Proof, name: str
) -> None:
    measured = cells(whole)
    red = measured[name, "before"]
    if red.skipped:
        pytest.skip(red.skipped)
    assert red.seen == {"client: ECONNRESET": RUNS, "server: ECONNRESET": RUNS}
    assert red.resets == {"client pod to server pod": RUNS, "server pod to client pod": RUNS}
    assert red.counters == {
        "client": {"TcpEstabResets": RUNS, "TcpOutRsts": RUNS},
        "node": {"conntrack invalid": 2 * RUNS},
        "server": {"TcpEstabResets": RUNS, "TcpOutRsts": RUNS},
    }
    assert measured[name, "be-liberal"].counters["client"] == {"TcpExtBeyondWindow": RUNS}
    assert measured[name, "invalid-rule"].counters["node"] == {"conntrack invalid": RUNS}


def test_only_the_node_has_entries_and_a_pod_sees_none_of_them(whole: Proof) -> None:
    told = cells(whole)["above-window", "before"].notes["conntrack entries"]
    assert told == f"{RUNS} on the node, 0 in the client pod, 0 in the server pod"


def test_a_reset_that_is_seen_may_end_nothing(whole: Proof) -> None:
    cell = cells(whole)["unseen-ack", "before"]
    assert cell.resets == {"client pod to server pod": RUNS}
    assert cell.counters["node"] == {"conntrack invalid": 2 * RUNS}
    assert cell.seen == {}


def test_other_faults_have_other_signs(whole: Proof) -> None:
    measured = cells(whole)
    assert measured["half-closed", "before"].seen == {"server: EPIPE": RUNS}
    assert measured["timeout-server-first", "before"].counters["node"] == {}
    assert measured["flush-other-backend", "before"].resets == {
        "client pod to server pod": RUNS,
        "other server pod to client pod": RUNS,
    }
    assert measured["port-exhaustion", "before"].seen == {"client: EADDRNOTAVAIL": RUNS}
    assert measured["port-exhaustion", "tw-reuse"].counters["client"]["TcpExtTWRecycled"] == RUNS


def test_a_full_table_drops_new_connections_and_keeps_live_ones(whole: Proof) -> None:
    for (name, _), cell in cells(whole).items():
        if name == "full-table" and not cell.skipped:
            assert cell.notes["live"] == f"{RUNS} of {RUNS}"
            assert cell.resets == {}
            assert cell.counters["node"]["conntrack drop"] >= RUNS


def test_a_full_table_evicts_half_closed_connections(whole: Proof) -> None:
    for (name, _), cell in cells(whole).items():
        if name == "eviction" and not cell.skipped:
            assert cell.seen == {"server: EPIPE": RUNS}


def proved(node: Node) -> Proof:
    subject = Subject(node=node, values_from="", playbook="test")
    return prove(subject, [SCENARIOS["above-window"]], this_machine(as_root=prepare()), runs=3)


@pytest.mark.parametrize("node", [Node(values={BE_LIBERAL: "1"}), Node(invalid_rule=True)])
def test_a_node_that_is_protected_already_is_green_before_any_fix(node: Node) -> None:
    assert cells(proved(node))["above-window", "before"].outcomes == {"alive": 3}


def test_a_playbook_that_does_not_cure_is_told() -> None:
    proof = proved(Node(hardened={"net.ipv4.tcp_fin_timeout": "30"}))
    assert cells(proof)["above-window", "hardened"].outcomes == {"reset": 3}
    assert not proof.holds


def test_a_value_that_the_kernel_refuses_is_told() -> None:
    node = Node(values={"net.ipv4.tcp_tw_reuse": "77", "net.ipv4.no_such_key": "1"})
    assert cells(proved(node))["above-window", "before"].refused == {
        "node net.ipv4.tcp_tw_reuse": "Invalid argument",
        "node net.ipv4.no_such_key": "No such file or directory",
    }
