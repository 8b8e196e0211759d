"""A history that is open."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from fleet.drift.history.database import open_database
from fleet.drift.history.location import HistoryLocation
from fleet.drift.history.runs import Runs

if TYPE_CHECKING:
    from fleet.drift.history.book import Book
    from fleet.drift.history.related import Related


@dataclass(frozen=True, slots=True)
class History:
    """An open database: its runs, and what drift checks remember."""

    engine: Engine
    location: HistoryLocation

    @property
    def runs(self) -> Runs:
        """What was done."""
        return Runs(self.engine, self.location)

    @property
    def related(self) -> "Related":
        """Which of it belongs together."""
        from fleet.drift.history.related import Related  # noqa: PLC0415 most commands only record their run

        return Related(self.engine, self.location)

    @property
    def book(self) -> "Book":
        """What drift checks remember."""
        from fleet.drift.history.book import Book  # noqa: PLC0415 see above

        return Book(self.engine, self.location)

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()


def open_history(location: HistoryLocation) -> History:
    """Open a history, and make or renew its tables where that is needed.

    Raises:
        FleetError: it cannot be opened, or a newer fleet has made it.
    """
    return History(open_database(location), location)


@contextmanager
def opened(location: HistoryLocation) -> Iterator[History]:
    """The same, until it is no longer needed."""
    history = open_history(location)
    try:
        yield history
    finally:
        history.close()
