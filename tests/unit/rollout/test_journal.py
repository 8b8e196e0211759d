"""The journal of a run: what it comes to at each of its lines, and what a crash may leave of it."""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.fakenodes import FakeNodes, Fault, Step, Watcher, fake_nodes, names, plan

from fleet.model.errors import DocumentError, FleetError, UsageError
from fleet.model.rollout import Rollout, RunResult, UndoScope
from fleet.rollout import ApplyRequest, apply, plan_of, result_of, runs
from fleet.rollout.events import Begun, Intent, Told, event_line, read_event
from fleet.rollout.journal import Journal
from fleet.rollout.runs import read_journal, run_directory
from fleet.rollout.state import LOST, RunState, replay

__all__ = ["fake_nodes"]

Make = Callable[..., FakeNodes]


def carry_out(nodes: FakeNodes, state_dir: Path, rollout: Rollout | None = None) -> RunResult:
    made = plan(nodes.nodes, rollout or Rollout(serial=(1,)))
    watcher = Watcher()
    with nodes.fleet() as fleet:
        request = ApplyRequest(plan=made, hosts=tuple(made.hosts), state_dir=state_dir, who="me@here")
        return apply(fleet, request, watcher, watcher.stop)


def journal_of(state_dir: Path, run_id: str) -> Path:
    return run_directory(state_dir, run_id) / "journal.jsonl"


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What goes wrong, and how the rollout is to take it."""

    faults: dict[tuple[str, Step], Fault]
    lasting: bool
    serial: tuple[int | str, ...]
    most: float
    undo: UndoScope

    @property
    def rollout(self) -> Rollout:
        return Rollout(serial=self.serial, max_fail_percentage=self.most, undo=self.undo)


TROUBLE = st.builds(
    Trouble,
    faults=st.dictionaries(
        st.tuples(st.sampled_from(names(5)), st.sampled_from(get_args(Step))),
        st.sampled_from(get_args(Fault)),
        max_size=5,
    ),
    lasting=st.booleans(),
    serial=st.sampled_from([(), (1,), (2,), ("40%",)]),
    most=st.sampled_from([0.0, 50.0, 100.0]),
    undo=st.sampled_from(get_args(UndoScope)),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(trouble=TROUBLE)
@example(
    trouble=Trouble(
        faults={("n001", "undo"): "lost-after", ("n002", "open"): "unreachable"},
        lasting=True,
        serial=(),
        most=0.0,
        undo="batch",
    )
)
def test_whatever_happens_the_journal_and_each_line_of_it_tell_the_result(
    fake_nodes: Make, tmp_path_factory: pytest.TempPathFactory, trouble: Trouble
) -> None:
    state_dir = tmp_path_factory.mktemp("state")
    nodes = fake_nodes(names(5))
    nodes.faults.update(trouble.faults)
    nodes.lasting.update(trouble.faults if trouble.lasting else ())
    result = carry_out(nodes, state_dir, trouble.rollout)
    directory = run_directory(state_dir, result.run_id)
    state, _ = read_journal(directory)
    assert state.result == result
    lines = (directory / "journal.jsonl").read_bytes().splitlines()
    # A plain fold over the lines, one after the other, is the same thing.
    events = [read_event(line) for line in lines]
    assert [event_line(event).rstrip() for event in events] == lines
    first = events[0]
    assert isinstance(first, Begun)
    folded = RunState(first)
    for number, event in enumerate(events[1:], start=2):
        folded.take(event)
        assert replay(lines[:number]).result == folded.result
    # What is told of a node is so, or it is told that it is not known.
    for name, node in nodes.nodes.items():
        host = result.hosts[name]
        if host.node == "before":
            assert node.value in {"60", "99"}
            assert not node.pending
        elif host.node == "after":
            assert node.runs[result.run_id] == "confirmed"
        elif host.node == "pending":
            assert node.pending
            assert host.undo_at is not None


def test_a_host_in_doubt_is_not_told_to_be_well(fake_nodes: Make, tmp_path: Path) -> None:
    result = carry_out(fake_nodes(names(1)), tmp_path)
    lines = journal_of(tmp_path, result.run_id).read_bytes().splitlines()
    seen = []
    for number in range(1, len(lines) + 1):
        host = replay(lines[:number]).result.hosts["n001"]
        seen.append((read_event(lines[number - 1]).event, host.status, host.node, host.error == LOST))
    assert seen == [
        ("begun", "not-reached", "before", False),
        ("batch", "not-reached", "before", False),
        ("intent", "failed", "unknown", True),  # apply
        ("host", "changed", "pending", False),
        ("intent", "changed", "pending", False),  # verify
        ("host", "changed", "pending", False),
        ("intent", "failed", "unknown", True),  # confirm
        ("host", "changed", "after", False),
        ("decision", "changed", "after", False),
        ("end", "changed", "after", False),
    ]
    assert replay(lines[:-1]).result.status == "running"


def test_it_tells_when_each_batch_was_begun_and_decided_on(fake_nodes: Make, tmp_path: Path) -> None:
    result = carry_out(fake_nodes(names(3)), tmp_path)
    times = [time for batch in result.batches for time in (batch.started, batch.decided)]
    assert len(times) == 6
    assert [result.started, *times, result.finished] == sorted([result.started, *times, result.finished])
    assert read_journal(run_directory(tmp_path, result.run_id))[0].result.batches == result.batches


def test_the_plan_lies_beside_it_and_only_the_owner_may_read_either(fake_nodes: Make, tmp_path: Path) -> None:
    result = carry_out(fake_nodes(names(2)), tmp_path / ".fleet")
    directory = run_directory(tmp_path / ".fleet", result.run_id)
    assert plan_of(result.run_id, tmp_path / ".fleet") == plan(names(2), Rollout(serial=(1,)))
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in directory.iterdir()}
    assert modes == {"journal.jsonl": 0o600, "lock": 0o600, "plan.json": 0o600}
    (directory / "plan.json").write_text((directory / "plan.json").read_text().replace('"30"', '"31"'))
    with pytest.raises(DocumentError, match="was changed after it was made"):
        plan_of(result.run_id, tmp_path / ".fleet")


def test_a_last_line_that_was_cut_off_is_left_out_and_taken_away_when_the_run_goes_on(
    fake_nodes: Make, tmp_path: Path
) -> None:
    result = carry_out(fake_nodes(names(2)), tmp_path)
    path = journal_of(tmp_path, result.run_id)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"event":"host","at":"2026-')
    assert [each.result for each in runs(tmp_path)[0]] == [result]
    with Journal.reopen(tmp_path, result.run_id) as journal:
        journal.tell(result.hosts["n001"])
    lines = path.read_bytes().splitlines()
    assert b"\n".join(lines[:-1]) + b"\n" == whole
    assert isinstance(read_event(lines[-1]), Told)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"{}", "line 3: Unable to extract tag"),
        (b"\x00" * 40, "line 3: Invalid JSON"),
        (b'{"event":"batch","at":"","number":9}', "line 3: there is no batch 9"),
        (b'{"event":"batch","at":"","number":"1"}', "line 3: Input should be a valid integer"),
        (b'{"event":"batch","at":"","number":1,"more":1}', "line 3: "),
        (b'{"event":"intent","at":"","phase":"apply","hosts":["who"]}', "line 3: the run is not about the host who"),
    ],
)
def test_damage_elsewhere_is_named_with_its_line(fake_nodes: Make, tmp_path: Path, line: bytes, told: str) -> None:
    result = carry_out(fake_nodes(names(1)), tmp_path)
    path = journal_of(tmp_path, result.run_id)
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([*lines[:2], line, *lines[2:]]) + b"\n")
    with pytest.raises(FleetError, match=r"journal\.jsonl is damaged") as caught:
        result_of(result.run_id, tmp_path)
    assert told in str(caught.value)


def test_two_controllers_do_not_share_a_run(fake_nodes: Make, tmp_path: Path) -> None:
    result = carry_out(fake_nodes(names(1)), tmp_path)
    with Journal.reopen(tmp_path, result.run_id):
        assert [each.active for each in runs(tmp_path)[0]] == [True]
        with (
            pytest.raises(UsageError, match="is going on elsewhere: wait for its end"),
            Journal.reopen(tmp_path, result.run_id),
        ):
            pass
    assert [each.active for each in runs(tmp_path)[0]] == [False]


def test_runs_are_listed_newest_first_and_one_that_is_not_there_is_named(fake_nodes: Make, tmp_path: Path) -> None:
    assert runs(tmp_path) == ((), ())
    with pytest.raises(UsageError, match=r"no run 'r' in .* \(there is none; fleet rollback --list shows them\)"):
        plan_of("r", tmp_path)
    nodes = fake_nodes(names(1))
    done = [carry_out(nodes, tmp_path).run_id for _ in range(2)]
    assert {each.result.run_id for each in runs(tmp_path)[0]} == set(done)
    assert [each.result.run_id for each in runs(tmp_path)[0]] == done[::-1]
    with pytest.raises(UsageError, match=r"no run '\.\./x'"):
        plan_of("../x", tmp_path)


def test_a_damaged_journal_does_not_hide_the_other_runs(fake_nodes: Make, tmp_path: Path) -> None:
    nodes = fake_nodes(names(1))
    good, bad = (carry_out(nodes, tmp_path).run_id for _ in range(2))
    journal = tmp_path / "runs" / bad / "journal.jsonl"
    journal.write_bytes(b"{\n" + journal.read_bytes())
    found, [damaged] = runs(tmp_path)
    assert [each.result.run_id for each in found] == [good]
    assert damaged.startswith(f"{journal} is damaged: ")


def test_a_journal_that_cannot_be_written_ends_the_run_in_words(fake_nodes: Make, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("in the way")
    with pytest.raises(FleetError, match=r"cannot make .* for the journal: "):
        carry_out(fake_nodes(names(1)), tmp_path)


def test_a_thread_that_outlives_the_run_writes_nowhere(fake_nodes: Make, tmp_path: Path) -> None:
    result = carry_out(fake_nodes(names(1)), tmp_path)
    with Journal.reopen(tmp_path, result.run_id) as journal:
        pass
    other = os.open(tmp_path / "other", os.O_WRONLY | os.O_CREAT)
    try:
        with pytest.raises(FleetError, match="Bad file descriptor"):
            journal.record(Intent(at="", phase="apply", hosts=("n001",)))
    finally:
        os.close(other)
    assert (tmp_path / "other").read_bytes() == b""
