"""A rollout over nodes in memory: batches, failures, stops, gates, hooks and windows."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from support.fakenodes import NOTHING, PLAN, WANTED, WAS, FakeNodes, Fault, Watcher, fake_nodes, names, plan

from fleet.model.connection import Endpoint
from fleet.model.errors import UsageError
from fleet.model.finding import Failure
from fleet.model.rollout import CommandGate, HostRun, Rollout, RunResult
from fleet.plan import HostPlan, Plan, Refused, Remedy
from fleet.rollout import ApplyRequest, apply, runs
from fleet.rollout.runs import read_journal, run_directory
from fleet.transport import Connection

__all__ = ["fake_nodes"]

Make = Callable[..., FakeNodes]
ONE_BY_ONE = Rollout(serial=(1,))


def carry_out(
    nodes: FakeNodes, made: Plan, tmp_path: Path, *, watcher: Watcher | None = None, workers: int = 8
) -> RunResult:
    watcher = watcher or Watcher()
    request = ApplyRequest(plan=made, hosts=tuple(made.hosts), state_dir=tmp_path, who="me@here")
    with nodes.fleet(workers) as fleet:
        result = apply(fleet, request, watcher, watcher.stop)
    # Whatever has happened, the journal tells the same.
    assert read_journal(run_directory(tmp_path, result.run_id))[0].result == result
    assert not any(node.pending for name, node in nodes.nodes.items() if result.hosts[name].node in {"before", "after"})
    for name, host in result.hosts.items():
        if host.node == "before" and host.status != "noop":
            assert nodes.nodes[name].value == WAS
        if host.node == "after":
            assert nodes.nodes[name].value == WANTED
    return result


def statuses(result: RunResult) -> str:
    """One letter a host."""
    letters = {"changed": "c", "noop": "n", "failed": "f", "unreachable": "x", "undone": "u", "not-reached": "-"}
    return "".join(letters[host.status] for host in result.hosts.values())


def count_opens(nodes: FakeNodes) -> Counter[str]:
    """How many connections are opened to each host from now on."""
    open_one, opens = nodes.open, Counter[str]()

    def count(endpoint: Endpoint) -> Connection:
        opens[endpoint.name] += 1
        return open_one(endpoint)

    nodes.open = count  # type: ignore[method-assign] # to count
    return opens


def test_every_host_is_changed_verified_and_confirmed_over_new_connections(fake_nodes: Make, tmp_path: Path) -> None:
    nodes = fake_nodes(names(5))
    watcher = Watcher()
    result = carry_out(nodes, plan(names(5), Rollout(serial=(1, "50%"))), tmp_path, watcher=watcher)
    assert (result.status, result.stopped_by, statuses(result)) == ("done", "", "ccccc")
    assert [batch.hosts for batch in result.batches] == [("n001",), ("n002", "n003"), ("n004", "n005")]
    assert [batch.decision for batch in result.batches] == ["1 confirmed", "2 confirmed", "2 confirmed"]
    assert watcher.batches == [(1, 3, ("n001",)), (2, 3, ("n002", "n003")), (3, 3, ("n004", "n005"))]
    assert [phase for host, phase in watcher.phases if host == "n001"] == ["apply", "verify", "confirm"]
    run = result.run_id
    assert nodes.nodes["n003"].asked == [f"apply {run}", f"confirm {run}"]
    assert result.hosts["n002"].changes[0].read_back == WANTED


@pytest.mark.parametrize(
    ("rollout", "fault", "opened"),
    [
        pytest.param(Rollout(), None, 2, id="confirmed over the connection of the look at it"),
        pytest.param(Rollout(soak=0.01), None, 3, id="not after a soak"),
        pytest.param(Rollout(gates=(CommandGate(command=("true",)),)), None, 3, id="not after a gate"),
        pytest.param(Rollout(), "lost-before", 3, id="anew where that connection is lost"),
    ],
)
def test_a_host_that_was_just_looked_at_is_confirmed_without_another_login(
    rollout: Rollout, fault: Fault | None, opened: int, fake_nodes: Make, tmp_path: Path
) -> None:
    nodes = fake_nodes(names(2))
    opens = count_opens(nodes)
    if fault is not None:
        nodes.faults["n001", "confirm"] = fault
    assert statuses(carry_out(nodes, plan(names(2), rollout), tmp_path)) == "cc"
    assert opens["n001"] == opened


def test_a_batch_is_taken_back_over_new_connections(fake_nodes: Make, tmp_path: Path) -> None:
    nodes = fake_nodes(names(2))
    nodes.faults["n002", "read"] = "spoils"
    opens = count_opens(nodes)
    assert statuses(carry_out(nodes, plan(names(2)), tmp_path)) == "uu"
    assert opens == {"n001": 3, "n002": 2}


def test_the_second_time_nothing_is_changed_and_no_host_is_asked_to_confirm(fake_nodes: Make, tmp_path: Path) -> None:
    nodes = fake_nodes(names(3))
    carry_out(nodes, plan(names(3)), tmp_path)
    result = carry_out(nodes, plan(names(3)), tmp_path)
    assert (result.status, statuses(result)) == ("done", "nnn")
    assert result.batches[0].decision == "3 without changes"
    assert len(runs(tmp_path)) == 2


def test_hosts_without_changes_are_in_no_batch_and_those_that_were_not_planned_say_why(
    fake_nodes: Make, tmp_path: Path
) -> None:
    made = plan(names(1), fine=NOTHING)
    refused = replace(NOTHING, refused=(Refused(target="k", controls=("c",), reason="is read-only"),))
    remedy = Remedy(target="k", writer="kube-proxy", text="set it there", patch="", controls=("c",))
    hosts = {
        **made.hosts,
        "away": HostPlan(name="away", error=Failure(kind="unreachable", message="no answer")),
        "cannot": HostPlan(name="cannot", plan=refused),
        "partly": HostPlan(name="partly", plan=replace(PLAN, refused=refused.refused, remedies=(remedy,))),
    }
    nodes = fake_nodes(hosts)
    result = carry_out(nodes, replace(made, hosts=hosts), tmp_path)
    assert result.status == "done"
    assert [batch.hosts for batch in result.batches] == [("n001", "partly")]
    assert {name: (host.status, host.node) for name, host in result.hosts.items()} == {
        "n001": ("changed", "after"),
        "fine": ("noop", "before"),
        "away": ("not-reached", "before"),
        "cannot": ("not-reached", "before"),
        "partly": ("changed", "after"),
    }
    errors = {name: (host.error.kind, host.error.message) for name, host in result.hosts.items() if host.error}
    assert errors == {
        "away": ("unreachable", "not planned: no answer"),
        "cannot": ("refused", "k is refused: is read-only"),
    }
    assert result.hosts["partly"].notes == (
        "k is refused: is read-only",
        "k is to be mended in the cluster: set it there",
    )


def test_only_the_hosts_that_are_meant_are_touched(fake_nodes: Make, tmp_path: Path) -> None:
    nodes = fake_nodes(names(3))
    request = ApplyRequest(plan=plan(names(3)), hosts=("n003", "n001"), state_dir=tmp_path, who="me")
    with nodes.fleet() as fleet:
        result = apply(fleet, request, Watcher(), Event())
        assert list(result.hosts) == ["n001", "n003"]
        with pytest.raises(UsageError, match="the plan has no host n999"):
            apply(fleet, replace(request, hosts=("n999",)), Watcher(), Event())
    assert nodes.nodes["n002"].asked == []


@pytest.mark.parametrize(
    ("fault", "at", "told"),
    [
        ("unreachable", "open", "x unreachable"),
        ("refuses", "apply", "f stale"),
        ("undoes", "apply", "u refused"),
        ("spoils", "read", "u verify"),
    ],
)
def test_a_failing_host_stops_the_rollout_and_its_batch_is_taken_back(
    fake_nodes: Make, tmp_path: Path, fault: str, at: str, told: str
) -> None:
    status, kind = told.split()
    nodes = fake_nodes(names(4))
    nodes.faults["n002", at] = fault  # type: ignore[index,assignment]
    result = carry_out(nodes, plan(names(4), Rollout(serial=(1, 2))), tmp_path)
    assert statuses(result) == f"c{status}u-"
    assert result.status == "undone"
    failed = result.hosts["n002"]
    assert failed.error is not None
    assert (failed.node, failed.error.kind) == ("before", kind)
    assert result.stopped_by.startswith(
        "batch 2: taken back: 1 of 2 hosts failed, which is 50 % and more than 0 % (n002: "
    )
    assert result.hosts["n003"].error is None
    assert result.hosts["n003"].notes[0].startswith("it was undone because: 1 of 2 hosts failed")
    assert result.hosts["n003"].changes[0].status == "undone"
    assert nodes.nodes["n004"].asked == []


def test_with_undo_all_the_earlier_batches_are_taken_back_too(fake_nodes: Make, tmp_path: Path) -> None:
    nodes = fake_nodes(names(4))
    nodes.faults["n003", "apply"] = "refuses"
    result = carry_out(nodes, plan(names(4), Rollout(serial=(1,), undo="all")), tmp_path)
    assert (result.status, statuses(result)) == ("undone", "uuf-")


def test_a_stop_that_takes_nothing_back_is_stopped_and_not_undone(fake_nodes: Make, tmp_path: Path) -> None:
    nodes = fake_nodes(names(2))
    nodes.faults["n001", "open"] = "unreachable"
    result = carry_out(nodes, plan(names(2), ONE_BY_ONE), tmp_path)
    assert (result.status, statuses(result)) == ("stopped", "x-")
    assert result.batches[0].decision.startswith("stopped: 1 of 1 host failed")


def test_up_to_the_percentage_the_rollout_goes_on_and_the_failed_host_is_undone(
    fake_nodes: Make, tmp_path: Path
) -> None:
    nodes = fake_nodes(names(8))
    nodes.faults["n001", "read"] = "spoils"
    nodes.faults["n006", "open"] = "unreachable"
    result = carry_out(nodes, plan(names(8), Rollout(serial=(4,), max_fail_percentage=25)), tmp_path)
    assert (result.status, statuses(result)) == ("done", "uccccxcc")
    assert [batch.decision for batch in result.batches] == ["3 confirmed, 1 undone", "3 confirmed, 1 unreachable"]


def test_an_answer_that_is_lost_after_the_change_is_asked_for_again(fake_nodes: Make, tmp_path: Path) -> None:
    nodes = fake_nodes(names(2))
    nodes.faults["n001", "apply"] = "lost-after"
    nodes.faults["n002", "confirm"] = "lost-after"
    result = carry_out(nodes, plan(names(2)), tmp_path)
    assert (result.status, statuses(result)) == ("done", "cc")


def test_a_host_that_was_sent_nothing_is_as_before_when_its_connection_is_lost(
    fake_nodes: Make, tmp_path: Path
) -> None:
    nodes = fake_nodes(names(1))
    nodes.faults["n001", "apply"] = "lost-before"
    result = carry_out(nodes, plan(names(1)), tmp_path)
    assert (result.hosts["n001"].status, result.hosts["n001"].node) == ("unreachable", "before")
    assert nodes.nodes["n001"].asked == [f"status {result.run_id}"]


def test_a_host_that_cannot_be_reached_again_is_not_confirmed_and_will_undo_itself(
    fake_nodes: Make, tmp_path: Path
) -> None:
    nodes = fake_nodes(names(1))
    nodes.at = lambda _host, step: nodes.faults.update({("n001", "open"): "unreachable"}) if step == "apply" else None
    nodes.lasting.add(("n001", "open"))
    result = carry_out(nodes, plan(names(1)), tmp_path)
    host = result.hosts["n001"]
    assert (host.status, host.node, result.status) == ("unreachable", "pending", "undone")
    assert host.undo_at is not None
    assert host.notes == (f"it could not be undone: no route to host; it undoes itself at {host.undo_at}",)
    nodes.let_time_pass()
    assert nodes.nodes["n001"].value == WAS


def test_a_node_that_has_undone_itself_before_it_could_be_confirmed_is_told_so(
    fake_nodes: Make, tmp_path: Path
) -> None:
    nodes = fake_nodes(names(2))
    nodes.at = lambda host, step: nodes.let_time_pass() if (host, step) == ("n001", "confirm") else None
    result = carry_out(nodes, plan(names(2)), tmp_path, workers=1)
    assert statuses(result) == "uu"
    assert [host.error.kind for host in result.hosts.values() if host.error] == ["expired", "expired"]


def test_too_little_time_for_soak_and_gates_undoes_at_once(fake_nodes: Make, tmp_path: Path) -> None:
    nodes = fake_nodes(names(1))
    result = carry_out(nodes, plan(names(1), Rollout(soak=100, confirm_within=50)), tmp_path)
    host = result.hosts["n001"]
    assert host.error is not None
    assert (host.status, host.error.kind) == ("undone", "expired")
    assert "make confirm_within longer or the batches smaller" in host.error.message


def test_a_gate_that_fails_takes_the_batch_back(fake_nodes: Make, tmp_path: Path) -> None:
    nodes = fake_nodes(names(3))
    gates = (
        CommandGate(command=("true",)),
        CommandGate(command=("sh", "-c", 'test "$FLEET_BATCH" = 1')),
        CommandGate(command=("true",)),
    )
    result = carry_out(nodes, plan(names(3), Rollout(serial=(1,), gates=gates)), tmp_path)
    assert (result.status, statuses(result)) == ("undone", "cu-")
    assert [[gate.passed for gate in batch.gates] for batch in result.batches] == [[True, True, True], [True, False]]
    assert result.stopped_by.startswith("batch 2: taken back: the gate command failed: ")


def test_where_every_host_is_as_planned_already_no_gate_is_asked(fake_nodes: Make, tmp_path: Path) -> None:
    nodes = fake_nodes(names(1))
    carry_out(nodes, plan(names(1)), tmp_path)
    rollout = Rollout(gates=(CommandGate(command=("false",)),), soak=60)
    assert carry_out(nodes, plan(names(1), rollout), tmp_path).status == "done"


def hook(tmp_path: Path, word: str, failing: str = "") -> tuple[str, ...]:
    return ("sh", "-c", f'echo {word} "$FLEET_HOST" >>{tmp_path}/hooks; test "$1" != "{failing}"', "sh", "{host}")


def hooks(tmp_path: Path) -> list[str]:
    return sorted((tmp_path / "hooks").read_text().splitlines())


def test_hooks_run_before_and_after_each_host_also_where_it_failed(fake_nodes: Make, tmp_path: Path) -> None:
    nodes = fake_nodes(names(3))
    nodes.faults["n002", "apply"] = "refuses"
    rollout = Rollout(before=hook(tmp_path, "before"), after=hook(tmp_path, "after"), max_fail_percentage=50)
    result = carry_out(nodes, plan(names(3), rollout), tmp_path)
    assert statuses(result) == "cfc"
    assert hooks(tmp_path) == [f"{word} {name}" for word in ("after", "before") for name in names(3)]


def test_a_host_whose_hook_before_fails_is_not_touched_and_its_hook_after_runs(
    fake_nodes: Make, tmp_path: Path
) -> None:
    nodes = fake_nodes(names(2))
    rollout = Rollout(
        before=hook(tmp_path, "before", failing="n001"), after=hook(tmp_path, "after"), max_fail_percentage=50
    )
    result = carry_out(nodes, plan(names(2), rollout), tmp_path)
    host = result.hosts["n001"]
    assert host.error is not None
    assert (statuses(result), host.node, host.error.kind) == ("fc", "before", "hook")
    assert host.error.message == "the hook before the change ended with status 1"
    assert nodes.nodes["n001"].asked == []
    assert "after n001" in hooks(tmp_path)


def test_a_hook_after_that_fails_leaves_the_host_confirmed_and_stops_the_rollout(
    fake_nodes: Make, tmp_path: Path
) -> None:
    nodes = fake_nodes(names(2))
    result = carry_out(nodes, plan(names(2), Rollout(serial=(1,), after=hook(tmp_path, "after", "n001"))), tmp_path)
    host = result.hosts["n001"]
    assert host.error is not None
    assert (result.status, statuses(result), host.node, host.error.kind) == ("stopped", "f-", "after", "hook")


@pytest.mark.parametrize("phase", ["apply", "verify", "confirm"])
def test_a_stop_leaves_no_host_unconfirmed(fake_nodes: Make, tmp_path: Path, phase: str) -> None:
    nodes = fake_nodes(names(6))
    watcher = Watcher(stop_at=("n003", phase))  # type: ignore[arg-type]
    result = carry_out(nodes, plan(names(6), Rollout(serial=(1, 4))), tmp_path, watcher=watcher, workers=1)
    expected = {"apply": "cuu---", "verify": "cuuuu-", "confirm": "ccccc-"}[phase]
    assert (result.status, statuses(result)) == ("interrupted", expected)
    assert result.hosts["n001"].node == "after"


def test_a_stop_ends_soak_pause_and_gates_at_once(fake_nodes: Make, tmp_path: Path) -> None:
    for number, rollout in enumerate(
        (
            Rollout(soak=100, confirm_within=600),
            Rollout(gates=(CommandGate(command=("sleep", "100"), timeout=100),), confirm_within=600),
        )
    ):
        nodes = fake_nodes(names(1))
        watcher = Watcher(stop_at=("n001", "gate" if rollout.gates else "soak"))
        result = carry_out(nodes, plan(names(1), rollout), tmp_path / str(number), watcher=watcher)
        assert (result.status, statuses(result)) == ("interrupted", "u")


def test_a_stop_in_the_last_batch_that_is_confirmed_all_the_same_is_the_end(fake_nodes: Make, tmp_path: Path) -> None:
    nodes = fake_nodes(names(1))
    result = carry_out(nodes, plan(names(1)), tmp_path, watcher=Watcher(stop_at=("n001", "confirm")))
    assert (result.status, statuses(result)) == ("done", "c")


def test_hooks_after_run_although_the_run_is_stopping(fake_nodes: Make, tmp_path: Path) -> None:
    nodes = fake_nodes(names(1))
    watcher = Watcher(stop_at=("n001", "apply"))
    carry_out(nodes, plan(names(1), Rollout(after=hook(tmp_path, "after"))), tmp_path, watcher=watcher)
    assert hooks(tmp_path) == ["after n001"]


def test_500_hosts_in_batches_with_some_that_fail(fake_nodes: Make, tmp_path: Path) -> None:
    everyone = names(500)
    nodes = fake_nodes(everyone)
    for name in everyone[::50]:
        nodes.faults[name, "open"] = "unreachable"
    for name in everyone[25::50]:
        nodes.faults[name, "read"] = "spoils"
    rollout = Rollout(serial=(2, "10%", "30%"), max_fail_percentage=50)
    result = carry_out(nodes, plan(everyone, rollout), tmp_path, workers=50)
    assert result.status == "done"
    assert [len(batch.hosts) for batch in result.batches] == [2, 50, 150, 150, 148]
    assert Counter(host.status for host in result.hosts.values()) == {"changed": 480, "unreachable": 10, "undone": 10}


def test_outside_of_every_window_nothing_is_begun(
    fake_nodes: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = fake_nodes(names(3))
    open_now = iter([True, True, False])
    monkeypatch.setattr("fleet.rollout.engine.is_open", lambda _windows, _moment: next(open_now))
    monkeypatch.setattr("fleet.rollout.engine.closed_window", lambda _windows, _moment: "no maintenance window is open")
    result = carry_out(nodes, plan(names(3), ONE_BY_ONE), tmp_path)
    assert (result.status, statuses(result)) == ("stopped", "c--")
    assert result.stopped_by == "before batch 2: no maintenance window is open"
    open_now = iter([False])
    with pytest.raises(UsageError, match="no maintenance window is open: nothing was changed"):
        carry_out(nodes, plan(names(3), ONE_BY_ONE), tmp_path)
    assert len(runs(tmp_path)[0]) == 1


def test_a_configuration_that_breaks_during_the_run_leaves_nothing_unsaid(fake_nodes: Make, tmp_path: Path) -> None:
    nodes = fake_nodes(names(2))

    def broken(_host: str, step: str) -> None:
        if step == "read":
            raise UsageError("~/.ssh/config line 3: what is this")

    nodes.at = broken
    result = carry_out(nodes, plan(names(2)), tmp_path)
    assert statuses(result) == "uu"
    assert all(isinstance(host, HostRun) and host.error is not None for host in result.hosts.values())
