"""The journal of a run that is going on: each event is on the disk before what it announces is done."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from fleet.model.errors import FleetError, UsageError
from fleet.model.rollout import HostRun
from fleet.plan import Plan, load_plan, save_plan
from fleet.rollout.events import Begun, Event, Told, event_line
from fleet.rollout.runs import JOURNAL, LOCK, PLAN, read_journal, run_directory, runs_directory
from fleet.rollout.state import RunState


def timestamp() -> str:
    """Now, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Journal:
    """The journal of one run that is going on, held by this process alone."""

    def __init__(self, directory: Path, state: RunState, stream: int) -> None:
        self.state = state
        self._directory = directory
        self._stream = stream
        self._lock = Lock()

    @classmethod
    @contextmanager
    def create(cls, state_dir: Path, begun: Begun, plan: Plan) -> Iterator[Self]:
        """Begin the journal of a new run, with its plan beside it.

        Raises:
            FleetError: it cannot be written.
        """
        directory = runs_directory(state_dir) / begun.run_id
        try:
            directory.mkdir(mode=0o700, parents=True)
        except OSError as error:
            raise FleetError(f"cannot make {directory} for the journal: {error.strerror}") from error
        with held(directory):
            save_plan(plan, directory / PLAN)
            with cls(directory, RunState(begun), _open(directory / JOURNAL, os.O_CREAT | os.O_EXCL)) as journal:
                journal._write(begun)
                _sync_directory(directory)
                _sync_directory(directory.parent)
                yield journal

    @classmethod
    @contextmanager
    def reopen(cls, state_dir: Path, run_id: str) -> Iterator[Self]:
        """Go on with the journal of a run; a line that a crash cut off goes away.

        Raises:
            FleetError: there is no such run, it is going on elsewhere, or its journal is damaged.
        """
        directory = run_directory(state_dir, run_id)
        with held(directory):
            state, whole = read_journal(directory)
            stream = _open(directory / JOURNAL)
            os.ftruncate(stream, whole)
            with cls(directory, state, stream) as journal:
                yield journal

    @property
    def plan(self) -> Plan:
        """The plan of the run, as it was saved at its beginning."""
        return load_plan(self._directory / PLAN)

    def record(self, event: Event) -> None:
        """Write down an event; it is on the disk when this returns.

        Raises:
            FleetError: it cannot be written.
        """
        with self._lock:
            self._write(event)
            self.state.take(event)

    def tell(self, host: HostRun) -> None:
        """Write down what is known of a host now."""
        self.record(Told(at=timestamp(), host=host))

    def _write(self, event: Event) -> None:
        try:
            line = memoryview(event_line(event))
            while line:
                line = line[os.write(self._stream, line) :]
            os.fsync(self._stream)
        except OSError as error:
            raise FleetError(f"cannot write {self._directory / JOURNAL}: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            # A thread that a second Ctrl-C left behind must not write to what has the number next.
            stream, self._stream = self._stream, -1
        os.close(stream)


@contextmanager
def held(directory: Path) -> Iterator[None]:
    """Keep every other controller from a run.

    Raises:
        UsageError: another one has it.
    """
    lock = _open(directory / LOCK, os.O_CREAT)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"the run {directory.name} is going on elsewhere: wait for its end") from None
        yield
    finally:
        os.close(lock)


def _open(path: Path, flags: int = 0) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | flags, 0o600)
    except OSError as error:
        raise FleetError(f"cannot write {path}: {error.strerror}") from error


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
