"""Going on with a run whose controller was killed at any line of its journal."""

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from support.fakenodes import WANTED, WAS, FakeNodes, Watcher, fake_nodes, names, plan

from fleet.model.errors import FleetError, UsageError
from fleet.model.rollout import CommandGate, Rollout, RunResult
from fleet.rollout import ApplyRequest, ResumeRequest, RollbackRequest, apply, resume, rollback, runs
from fleet.rollout.events import Event
from fleet.rollout.host import HostJobs
from fleet.rollout.journal import Journal
from fleet.rollout.runs import read_journal, run_directory

__all__ = ["fake_nodes"]

Make = Callable[..., FakeNodes]
HOSTS = names(4)
ROLLOUT = Rollout(serial=(1, 3), confirm_within=600)


class Killed(Exception):  # noqa: N818 it is no error
    """Stands in for the end of the process."""


def die_at(monkeypatch: pytest.MonkeyPatch, count: int, *, after_writing: bool) -> None:
    """Let the controller end at one line of the journal, just before or just after it was written."""
    write = Journal._write  # noqa: SLF001 the process ends inside of it
    written = 0

    def dying(journal: Journal, event: Event) -> None:
        nonlocal written
        written += 1
        if written < count or (written == count and after_writing):
            write(journal, event)
        if written >= count:
            raise Killed

    monkeypatch.setattr(Journal, "_write", dying)


def carry_out(
    nodes: FakeNodes, state_dir: Path, rollout: Rollout = ROLLOUT, watcher: Watcher | None = None
) -> RunResult:
    watcher = watcher or Watcher()
    with nodes.fleet(workers=1) as fleet:
        request = ApplyRequest(plan=plan(nodes.nodes, rollout), hosts=tuple(nodes.nodes), state_dir=state_dir, who="me")
        return apply(fleet, request, watcher, watcher.stop)


def go_on(nodes: FakeNodes, state_dir: Path, watcher: Watcher | None = None) -> RunResult:
    watcher = watcher or Watcher()
    [run] = [each.result.run_id for each in runs(state_dir)[0]]
    with nodes.fleet() as fleet:
        result = resume(fleet, ResumeRequest(run_id=run, state_dir=state_dir, who="you"), watcher, watcher.stop)
    assert read_journal(run_directory(state_dir, run))[0].result == result
    return result


def lines_of_a_whole_run(make: Make, tmp_path: Path, rollout: Rollout = ROLLOUT) -> int:
    result = carry_out(make(HOSTS), tmp_path / "whole", rollout)
    return len((run_directory(tmp_path / "whole", result.run_id) / "journal.jsonl").read_bytes().splitlines())


@pytest.mark.parametrize("after_writing", [False, True])
@pytest.mark.parametrize("late", [False, True])
def test_killed_at_any_line_the_run_is_finished_by_another_controller(
    fake_nodes: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    late: bool,  # noqa: FBT001 a parameter of the test
    after_writing: bool,  # noqa: FBT001
) -> None:
    lines = lines_of_a_whole_run(fake_nodes, tmp_path)
    assert lines > 20
    for count in range(2, lines):
        nodes, state_dir = fake_nodes(HOSTS), tmp_path / f"{count}"
        with monkeypatch.context() as patch:
            die_at(patch, count, after_writing=after_writing)
            with pytest.raises(Killed):
                carry_out(nodes, state_dir)
        [cut_off], _ = runs(state_dir)
        assert (cut_off.result.status, cut_off.active) == ("running", False)
        if late:
            nodes.let_time_pass()
        result = go_on(nodes, state_dir)
        assert result.status == "done", (count, result)
        assert {(host.status, host.node) for host in result.hosts.values()} == {("changed", "after")}
        for node in nodes.nodes.values():
            assert (node.value, node.pending) == (WANTED, "")
            assert list(node.runs.values())[-1] == "confirmed"
        with pytest.raises(UsageError, match="has gone to its end"):
            go_on(nodes, state_dir)


@pytest.mark.parametrize("undo", ["batch", "all"])
def test_killed_at_any_line_of_a_run_that_fails_it_is_taken_back_by_another_controller(
    fake_nodes: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undo: str
) -> None:
    gate = CommandGate(command=("sh", "-c", 'test "$FLEET_BATCH" = 1'))
    rollout = Rollout(serial=(1, 3), gates=(gate,), undo=undo, confirm_within=600)  # type: ignore[arg-type]
    lines = lines_of_a_whole_run(fake_nodes, tmp_path, rollout)
    for count in range(lines // 2, lines):  # the first half is that of any run
        nodes, state_dir = fake_nodes(HOSTS), tmp_path / f"{count}"
        with monkeypatch.context() as patch:
            die_at(patch, count, after_writing=True)
            with pytest.raises(Killed):
                carry_out(nodes, state_dir, rollout)
        result = go_on(nodes, state_dir)
        assert result.status == "undone", (count, result)
        expected = [WAS if undo == "all" else WANTED, WAS, WAS, WAS]
        assert [node.value for node in nodes.nodes.values()] == expected, (count, result)
        assert not any(node.pending for node in nodes.nodes.values())
        with pytest.raises(UsageError, match="mend the cause and make a new plan"):
            go_on(nodes, state_dir)


def test_what_was_interrupted_is_begun_again(fake_nodes: Make, tmp_path: Path) -> None:
    nodes = fake_nodes(HOSTS)
    assert carry_out(nodes, tmp_path, watcher=Watcher(stop_at=("n003", "apply"))).status == "interrupted"
    watcher = Watcher()
    result = go_on(nodes, tmp_path, watcher)
    assert {host.status for host in result.hosts.values()} == {"changed"}
    assert watcher.batches == [(2, 2, HOSTS[1:])]
    run = result.run_id
    assert nodes.nodes["n002"].runs == {run: "undone", f"{run}.1": "confirmed"}
    assert nodes.nodes["n004"].runs == {f"{run}.1": "confirmed"}
    with nodes.fleet() as fleet:
        request = RollbackRequest(run_id=run, hosts=None, state_dir=tmp_path, who="me")
        assert rollback(fleet, request, Watcher(), Watcher().stop).status == "done"
    assert {node.value for node in nodes.nodes.values()} == {WAS}


def test_interrupted_twice_it_goes_on_the_third_time(fake_nodes: Make, tmp_path: Path) -> None:
    nodes = fake_nodes(HOSTS)
    carry_out(nodes, tmp_path, watcher=Watcher(stop_at=("n002", "apply")))
    assert go_on(nodes, tmp_path, Watcher(stop_at=("n003", "verify"))).status == "interrupted"
    assert go_on(nodes, tmp_path).status == "done"
    assert nodes.nodes["n003"].runs.popitem()[1] == "confirmed"


def test_a_window_that_closed_is_gone_on_from_in_the_next(
    fake_nodes: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = fake_nodes(HOSTS)
    with monkeypatch.context() as patch:
        is_open = iter([True, True, False])
        patch.setattr("fleet.rollout.engine.is_open", lambda _windows, _moment: next(is_open))
        patch.setattr("fleet.rollout.engine.closed_window", lambda _windows, _moment: "closed")
        assert carry_out(nodes, tmp_path).status == "stopped"
    assert go_on(nodes, tmp_path).status == "done"


def test_a_node_that_cannot_be_asked_stays_in_doubt_and_stops_its_batch(
    fake_nodes: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = fake_nodes(HOSTS)
    with monkeypatch.context() as patch:
        die_at(patch, 3, after_writing=True)
        with pytest.raises(Killed):
            carry_out(nodes, tmp_path)
    nodes.faults["n001", "open"] = "unreachable"
    nodes.lasting.add(("n001", "open"))
    result = go_on(nodes, tmp_path)
    host = result.hosts["n001"]
    assert (result.status, host.status, host.node) == ("undone", "unreachable", "unknown")
    nodes.lasting.clear()
    nodes.faults.clear()
    result = go_on(nodes, tmp_path)
    assert (result.status, result.hosts["n001"].node) == ("undone", "before")


def test_a_run_that_is_not_there_or_is_a_rollback_is_refused(fake_nodes: Make, tmp_path: Path) -> None:
    nodes = fake_nodes(names(1))
    done = carry_out(nodes, tmp_path)
    with nodes.fleet() as fleet:
        request = RollbackRequest(run_id=done.run_id, hosts=None, state_dir=tmp_path, who="me")
        taken_back = rollback(fleet, request, Watcher(), Watcher().stop)
        for run, told in ((taken_back.run_id, "is a rollback: run it again"), ("none", "no run 'none'")):
            with pytest.raises(FleetError, match=told):
                resume(fleet, ResumeRequest(run_id=run, state_dir=tmp_path, who="me"), Watcher(), Watcher().stop)


def test_what_had_passed_its_gates_is_confirmed_before_anything_else(
    fake_nodes: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = fake_nodes(HOSTS)

    with monkeypatch.context() as patch:
        # The batch has passed its gates, and none of it is confirmed.
        patch.setattr(HostJobs, "confirm", lambda *_: _raise())
        patch.setattr(HostJobs, "not_confirmed", lambda *_: _raise())
        with pytest.raises(Killed):
            carry_out(nodes, tmp_path, Rollout(confirm_within=600))
    nodes.nodes["n002"].deadline = 0.0
    nodes.order.clear()
    result = go_on(nodes, tmp_path)
    assert {host.status for host in result.hosts.values()} == {"changed"}
    asked = [(name, step) for name, step in nodes.order if step in {"apply", "confirm"}]
    assert asked[3:] == [("n002", "apply"), ("n002", "confirm")]
    assert sorted(asked[:3]) == [("n001", "confirm"), ("n003", "confirm"), ("n004", "confirm")]


def _raise() -> NoReturn:
    raise Killed
