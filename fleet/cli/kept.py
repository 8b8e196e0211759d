"""Looking into the history that there is."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fleet.drift.history.location import history_location
from fleet.model.errors import UsageError

if TYPE_CHECKING:
    from fleet.drift.history.history import History


@contextmanager
def opened_history(given: str | None, state_dir: Path) -> Iterator["History"]:
    """Open the history that options name, to be looked into.

    Raises:
        UsageError: there is none.
        FleetError: it cannot be opened.
    """
    location = history_location(given, state_dir)
    if location is None:
        raise UsageError("there is no history to show with --history none")
    if location.file is not None and not location.file.exists():
        raise UsageError(f"there is no history {location.shown}: the first run makes it")
    # Here, so that the list of commands is told without waiting for SQLAlchemy.
    from fleet.drift.history.history import opened  # noqa: PLC0415 see above

    with opened(location) as found:
        yield found
