"""Recording one run: its beginning beside what it does, its end when the result has been shown.

Opening a database, and loading what that takes, costs a run nothing while it waits for nodes; so a thread does it.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Thread
from typing import TYPE_CHECKING

from fleet.drift.history.location import HistoryLocation
from fleet.model.drift import Confirmed
from fleet.model.errors import FleetError
from fleet.model.history import HistoryBegin, HistoryEnd, HistoryHost, HistoryPart
from fleet.model.trend import TrendPoint

if TYPE_CHECKING:
    from fleet.drift.history.history import History

_LONGEST_WAIT = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run came to, as its history keeps it.

    Attributes:
        parts: what is kept as JSON, whole or in pieces.
        point: what it came to, of an audit and of a drift check.
        confirmed: what it has left, by host.
        taken_back: the run that it has taken back, and from which hosts.
    """

    hosts: tuple[HistoryHost, ...]
    parts: Mapping[HistoryPart, str | Iterator[str]]
    point: TrendPoint | None = None
    confirmed: Mapping[str, Confirmed] = field(default_factory=dict)
    taken_back: tuple[str, tuple[str, ...]] = ("", ())


class Recorder:
    """The record of one run. A history that fails never fails the run: `end` gives what is to be said of it.

    Args:
        location: None keeps no history.
        begin: what is known at the beginning.
    """

    def __init__(self, location: HistoryLocation | None, begin: HistoryBegin) -> None:
        self.run_id = begin.run_id
        self._location = location
        self._begin = begin
        self._opened: Future[History] = Future()
        self._thread: Thread | None = None
        self._outcome: Callable[[], Outcome] | None = None
        self._is_ended = False

    def begin(self) -> None:
        """Record the beginning, in a thread."""
        if self._location is not None:
            # Nobody waits for a server that does not answer once all else is done.
            self._thread = Thread(target=self._open, args=(self._location,), name="fleet-history", daemon=True)
            self._thread.start()

    def wait(self) -> None:
        """Wait until the beginning is recorded, or cannot be, for what must not run beside that."""
        if self._thread is not None:
            self._thread.join(_LONGEST_WAIT)

    def history(self) -> "History":
        """The open history.

        Raises:
            FleetError: it cannot be opened, or the beginning could not be written.
        """
        if self._location is None:
            raise FleetError("there is no history")
        try:
            return self._opened.result(_LONGEST_WAIT)
        except TimeoutError:
            raise FleetError(f"the history {self._location.shown}: no answer within {_LONGEST_WAIT:g} s") from None

    def came_to(self, outcome: Callable[[], Outcome]) -> None:
        """Say what is to be recorded at the end; it is made once the result has been shown."""
        self._outcome = outcome

    def is_ended(self) -> None:
        """Say that the end is recorded already."""
        self._is_ended = True

    def end(self, end: HistoryEnd) -> str:
        """Record the end, and give why that failed, or nothing.

        Args:
            end: without hosts and document, which come from the outcome.
        """
        if self._location is None:
            return ""
        try:
            history = self.history()
        except FleetError as error:
            return str(error)
        try:
            if not self._is_ended:
                self._write(history, end)
        except FleetError as error:
            return str(error)
        finally:
            history.close()
        return ""

    def _write(self, history: "History", end: HistoryEnd) -> None:
        outcome = self._outcome() if self._outcome is not None else Outcome(hosts=(), parts={})
        if outcome.confirmed:
            history.book.confirm(outcome.confirmed)
        run_id, hosts = outcome.taken_back
        if hosts:
            history.book.take_back(run_id, hosts)
        history.runs.end(
            self.run_id,
            HistoryEnd(
                status=end.status,
                exit_code=end.exit_code,
                finished=end.finished,
                message=end.message,
                hosts=outcome.hosts,
                parts=outcome.parts,
                point=outcome.point,
            ),
        )

    def _open(self, location: HistoryLocation) -> None:
        try:
            from fleet.drift.history.history import open_history  # noqa: PLC0415 it loads SQLAlchemy

            history = open_history(location)
            history.runs.begin(self._begin)
        except BaseException as error:  # noqa: BLE001 whatever it is, it is raised where the result is asked for
            self._opened.set_exception(error)
        else:
            self._opened.set_result(history)
