"""Both databases that a history may be in."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from support.postgres import Postgres, programs, running_postgres

from fleet.drift.history.history import History, open_history
from fleet.drift.history.location import HistoryLocation, history_location

_NUMBERS = count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server for all tests."""
    where = programs()
    if where is None:
        pytest.skip("needs PostgreSQL: apt-get install --no-install-recommends postgresql")
    with running_postgres(where) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/history.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database(f"history_{next(_NUMBERS)}")


@pytest.fixture
def location(url: str, tmp_path: Path) -> HistoryLocation:
    """The same, as fleet names it."""
    found = history_location(url, tmp_path)
    assert found is not None
    return found


@pytest.fixture
def history(location: HistoryLocation) -> Iterator[History]:
    """The same, open."""
    opened = open_history(location)
    yield opened
    opened.close()
