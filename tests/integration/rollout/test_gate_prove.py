"""The gate that makes the reset happen, with the values of real nodes over SSH."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from support.lab import running_lab, ssh
from support.plans import plan_of

from fleet import lab
from fleet.kernel.invalid import BE_LIBERAL
from fleet.model.rollout import GateResult, ProveGate
from fleet.prove import Node, bench, node
from fleet.rollout.gates import GateContext, check_gates
from fleet.rollout.gates import prove as gate_module
from fleet.runner.fleet import Fleet
from fleet.runner.inventory import FleetInventory
from fleet.transport import SshTransport

pytestmark = pytest.mark.root

BOTH = pytest.mark.parametrize("gate", [ProveGate(), ProveGate(on="node")], ids=["controller", "node"])
DROP_INVALID = "iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lab.Lab]:
    with running_lab(tmp_path_factory.mktemp("state"), 2, name="gateprove") as made:
        yield made


@contextmanager
def batch(built: lab.Lab, *, gone: str | None = None) -> Iterator[GateContext]:
    """All nodes as a batch, of which one may not be there any more."""
    inventory = FleetInventory(str(built.inventory)).load()
    if gone is not None:
        inventory.hosts[gone].port = 1
    with Fleet(inventory, SshTransport()) as fleet:
        yield GateContext(
            fleet=fleet,
            run_id="20261120T120000Z-5f2a01",
            batch=1,
            changed=tuple(each.name for each in built.nodes),
            untouched=(),
            plan=plan_of({}),
            policy=None,
            stop=Event(),
        )


def check(built: lab.Lab, gate: ProveGate) -> GateResult:
    with batch(built) as context:
        [result] = check_gates([gate], context)
    return result


def make(built: lab.Lab, number: int, *, liberal: int, rule: bool = False) -> str:
    """Protect a node, or not; gives its name."""
    name = built.nodes[number].name
    done = ssh(built, name, f"iptables -F && sysctl -qw {BE_LIBERAL}={liberal} && {DROP_INVALID if rule else 'true'}")
    assert done.returncode == 0, done.stderr
    return name


@BOTH
def test_nodes_that_are_protected_pass_each_in_its_way(built: lab.Lab, gate: ProveGate) -> None:
    make(built, 0, liberal=1)
    make(built, 1, liberal=0, rule=True)
    result = check(built, gate)
    assert result.passed, result.detail
    assert result.detail.startswith(
        "a segment above the window resets no connection through a node with the values of 2 hosts, and all without"
    )


@BOTH
def test_a_node_that_is_not_protected_fails_with_what_became_of_its_connections(
    built: lab.Lab, gate: ProveGate
) -> None:
    make(built, 0, liberal=1)
    name = make(built, 1, liberal=0)
    result = check(built, gate)
    assert result == GateResult(
        kind="prove",
        passed=False,
        detail=f"{name}: a segment above the window: 5 reset of 5 connections"
        " (client: ECONNRESET 5, server: ECONNRESET 5)",
    )


def test_hosts_that_are_alike_are_tried_once(built: lab.Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    started = bench.measure

    def count(requests: list[object], **options: object) -> object:
        asked.append(len(requests))
        return started(requests, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(bench, "measure", count)
    monkeypatch.setattr(gate_module, "node_like", lambda _: Node(values={BE_LIBERAL: "1"}))
    assert check(built, ProveGate()).passed
    # That the namespaces can be built; then without a fix, and with the values of both.
    assert asked == [1, 2]


@BOTH
def test_a_segment_that_resets_nothing_anyway_proves_nothing(
    built: lab.Lab, gate: ProveGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Such as the old segment, which kernels from 6.1 on ignore.
    harmless = replace(gate_module.SCENARIO, parameters={**gate_module.SCENARIO.parameters, "above": -1000})
    monkeypatch.setattr(gate_module, "SCENARIO", harmless)
    make(built, 0, liberal=1)
    result = check(built, gate)
    assert not result.passed
    assert "nothing is proved: without any fix a segment above the window resets nothing on kernel" in result.detail


def test_where_it_cannot_run_the_gate_fails_and_says_why(
    built: lab.Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bench, "SEARCH_PATH", str(tmp_path))
    result = check(built, ProveGate())
    assert (result.passed, result.detail) == (
        False,
        "nothing is proved: unshare is not installed: apt-get install util-linux",
    )
    monkeypatch.setattr(node, "SEARCH_PATH", str(tmp_path))
    result = check(built, ProveGate(on="node"))
    assert not result.passed
    name = built.nodes[0].name
    assert result.detail.startswith(f"{name} cannot be proved: protocol: timeout is not installed on this node")


@BOTH
def test_a_host_that_cannot_be_read_fails_the_gate(built: lab.Lab, gate: ProveGate) -> None:
    make(built, 0, liberal=1)
    gone = make(built, 1, liberal=1)
    with batch(built, gone=gone) as context:
        [result] = check_gates([gate], context)
    assert not result.passed
    assert f"{gone} cannot be proved: unreachable: " in result.detail


def test_time_that_is_up_fails_the_gate(built: lab.Lab) -> None:
    result = check(built, ProveGate(timeout=0.01))
    assert not result.passed
    assert "did not end within" in result.detail


def test_an_operator_who_wants_no_more_is_heard_at_once(built: lab.Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    make(built, 0, liberal=1)
    make(built, 1, liberal=1)
    with batch(built) as context:
        # While it is prepared the operator presses Ctrl-C.
        monkeypatch.setattr(gate_module, "prepare", lambda: not context.stop.set())
        [result] = check_gates([ProveGate()], context)
    assert result.detail == "interrupted before it was decided"
