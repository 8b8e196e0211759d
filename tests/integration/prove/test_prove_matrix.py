"""Red before and green after, on this kernel: 20 of 20 connections in every cell."""

import os

import pytest
from support.proofs import MEASURED

from fleet.kernel.invalid import BE_LIBERAL
from fleet.kernel.version import parse_release
from fleet.model.proof import Cell, Fix, Proof
from fleet.prove import SCENARIOS, Node, Subject, prepare, prove, this_machine

RUNS = 20
QUICK = [name for name in SCENARIOS if name not in ("eviction", "full-table")]
HARDENED = Node(hardened={BE_LIBERAL: "1"}, hardened_pods={"net.ipv4.tcp_tw_reuse": "1"})
IS_OLD = parse_release(os.uname().release) < (6, 1)


def proved(names: list[str], *, as_root: bool, node: Node = HARDENED) -> Proof:
    subject = Subject(node=node, values_from="", playbook="test")
    return prove(subject, [SCENARIOS[name] for name in names], this_machine(as_root=as_root), runs=RUNS)


def cells(proof: Proof) -> dict[tuple[str, Fix], Cell]:
    return {(scenario.name, cell.fix): cell for scenario in proof.scenarios for cell in scenario.cells}


def test_every_cell_is_as_was_measured_twenty_times_of_twenty(*, as_root: bool) -> None:
    proof = proved(QUICK, as_root=as_root)
    measured = cells(proof)
    for (name, fix), cell in measured.items():
        expected = MEASURED[name].get(fix) or SCENARIOS[name].promises[fix]
        found = {outcome: count for outcome, count in cell.outcomes.items() if count}
        if not (name == "old-segment" and fix == "before" and IS_OLD):
            assert found == {expected: RUNS}, (name, fix, cell)
        assert cell.refused == {}
    assert proof.holds
    assert measured["above-window", "hardened"].outcomes == {"alive": RUNS}

    # For one reset: who sent which, and the counters of each namespace.
    red = measured["above-window", "before"]
    assert red.seen == {"client: ECONNRESET": RUNS, "server: ECONNRESET": RUNS}
    assert red.resets == {"client pod to server pod": RUNS, "server pod to client pod": RUNS}
    assert red.counters == {
        "client": {"TcpEstabResets": RUNS, "TcpOutRsts": RUNS},
        "node": {"conntrack invalid": 2 * RUNS},
        "server": {"TcpEstabResets": RUNS, "TcpOutRsts": RUNS},
    }
    assert measured["above-window", "be-liberal"].counters["client"] == {"TcpExtBeyondWindow": RUNS}
    assert measured["above-window", "invalid-rule"].counters["node"] == {"conntrack invalid": RUNS}
    assert measured["half-closed", "before"].seen == {"server: EPIPE": RUNS}
    assert measured["port-exhaustion", "tw-reuse"].counters["client"]["TcpExtTWRecycled"] == RUNS


def test_a_full_table_drops_new_connections_and_keeps_live_ones(*, as_root: bool) -> None:
    for cell in cells(proved(["full-table"], as_root=as_root)).values():
        if cell.skipped:
            pytest.skip(cell.skipped)
        assert cell.outcomes == {"dropped": RUNS}
        assert cell.notes["live"] == f"{RUNS} of {RUNS}"
        assert cell.resets == {}
        assert cell.counters["node"]["conntrack drop"] >= RUNS


@pytest.mark.root
def test_a_full_table_evicts_half_closed_connections() -> None:
    cell = cells(proved(["eviction"], as_root=prepare()))["eviction", "before"]
    if cell.skipped:
        pytest.skip(cell.skipped)
    assert cell.outcomes == {"reset": RUNS}
    assert cell.seen == {"server: EPIPE": RUNS}


def test_a_node_that_is_protected_already_is_green_before_any_fix(*, as_root: bool) -> None:
    for node in (Node(values={BE_LIBERAL: "1"}), Node(invalid_rule=True)):
        proof = proved(["above-window"], as_root=as_root, node=node)
        assert cells(proof)["above-window", "before"].outcomes == {"alive": RUNS}


def test_a_playbook_that_does_not_cure_is_told(*, as_root: bool) -> None:
    proof = proved(["above-window"], as_root=as_root, node=Node(hardened={"net.ipv4.tcp_fin_timeout": "30"}))
    assert cells(proof)["above-window", "hardened"].outcomes == {"reset": RUNS}
    assert not proof.holds


def test_a_value_that_the_kernel_refuses_is_told(*, as_root: bool) -> None:
    node = Node(values={"net.ipv4.tcp_tw_reuse": "77", "net.ipv4.no_such_key": "1"})
    refused = cells(proved(["above-window"], as_root=as_root, node=node))["above-window", "before"].refused
    assert refused == {
        "node net.ipv4.tcp_tw_reuse": "Invalid argument",
        "node net.ipv4.no_such_key": "No such file or directory",
    }
