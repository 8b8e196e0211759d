"""The runs that a state directory has kept."""

import fcntl
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fleet.model.errors import FleetError, UsageError
from fleet.model.rollout import RunResult
from fleet.plan import Plan, load_plan
from fleet.rollout.state import RunState, replay

JOURNAL, PLAN, LOCK = "journal.jsonl", "plan.json", "lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """One run of a state directory.

    Attributes:
        result: as far as its journal tells.
        active: whether a controller has it now; one that is ``running`` and not active was cut off.
    """

    result: RunResult
    active: bool


def runs(state_dir: Path) -> tuple[tuple[RunSummary, ...], tuple[str, ...]]:
    """All runs, newest first, and what is wrong with the journals that cannot be read."""
    found, damaged = [], []
    for run_id in run_ids(state_dir):
        directory = runs_directory(state_dir) / run_id
        try:
            found.append(RunSummary(result=read_journal(directory)[0].result, active=_is_held(directory)))
        except FleetError as error:
            damaged.append(str(error))
    return tuple(sorted(found, key=lambda each: each.result.started, reverse=True)), tuple(damaged)


def result_of(run_id: str, state_dir: Path) -> RunResult:
    """What a run came to, as far as its journal tells.

    Raises:
        FleetError: there is no such run, or its journal is damaged.
    """
    return read_journal(run_directory(state_dir, run_id))[0].result


def plan_of(run_id: str, state_dir: Path) -> Plan:
    """The plan that a run has applied, or whose run it has rolled back.

    Raises:
        FleetError: there is no such run, or its plan was changed.
    """
    return load_plan(run_directory(state_dir, run_id) / PLAN)


def runs_directory(state_dir: Path) -> Path:
    """Where the runs are."""
    return state_dir / "runs"


def run_directory(state_dir: Path, run_id: str) -> Path:
    """Where a run is.

    Raises:
        UsageError: there is none of that name.
    """
    known = run_ids(state_dir)
    if run_id not in known:
        there = f"the last one is {known[0]}" if known else "there is none"
        raise UsageError(f"no run '{run_id}' in {state_dir} ({there}; fleet rollback --list shows them)")
    return runs_directory(state_dir) / run_id


def run_ids(state_dir: Path) -> tuple[str, ...]:
    """The names of the runs, newest first but for those of the same second."""
    with suppress(FileNotFoundError):
        entries = runs_directory(state_dir).iterdir()
        return tuple(sorted((entry.name for entry in entries if (entry / JOURNAL).is_file()), reverse=True))
    return ()


def read_journal(directory: Path) -> tuple[RunState, int]:
    """What a run came to so far, and the length of its whole lines in bytes.

    Raises:
        FleetError: the journal cannot be read, or is damaged elsewhere than at its end.
    """
    path = directory / JOURNAL
    try:
        text = path.read_bytes()
    except OSError as error:
        raise FleetError(f"cannot read {path}: {error.strerror}") from error
    # What follows the last line break was cut off by a crash, and what it announced was not begun.
    whole = text[: text.rfind(b"\n") + 1]
    try:
        return replay(whole.splitlines()), len(whole)
    except ValueError as error:
        raise FleetError(f"{path} is damaged: {error}") from error


def _is_held(directory: Path) -> bool:
    try:
        lock = os.open(directory / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
