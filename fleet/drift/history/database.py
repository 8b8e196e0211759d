"""Opening the database of a history, in the shape that this version of fleet needs."""

import errno
import lzma
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pydantic
from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from fleet.drift.history.location import HistoryLocation
from fleet.drift.history.tables import Base
from fleet.model.errors import FleetError
from fleet.model.text import printable

HEAD: Final = "0003"
"""The newest migration: a database that has it is used without a look at Alembic."""

_BUSY_SECONDS = 30
_CONNECT_SECONDS = 5
_MIGRATION_LOCK = 0x666C656574  # "fleet": any number will do that nobody else takes
_MOST_SHOWN = 300
_DAMAGED = {"database disk image is malformed", "file is not a database"}
_RENEW = "move it away, and the next run makes a new one"


def open_database(location: HistoryLocation) -> Engine:
    """Connect, and make or renew the tables where that is needed.

    Raises:
        FleetError: it cannot be opened, or a newer fleet has made it.
    """
    with told_of(location):
        engine = new_engine(location)
        try:
            with engine.begin() as connection:
                found = _version(connection)
                if found is None and location.file is not None:
                    # SQLite is locked since BEGIN, so that no other fleet makes them too.
                    found = _make_tables(connection)
            if found != HEAD:
                _migrate(engine, location, found)
        except BaseException:
            engine.dispose()
            raise
        return engine


@contextmanager
def told_of(location: HistoryLocation) -> Iterator[None]:
    """Say of a database's error where it happened, without a password and in one line.

    Raises:
        FleetError: in its place.
    """
    try:
        yield
    except (lzma.LZMAError, pydantic.ValidationError):
        raise FleetError(f"the history {location.shown}: it holds something that cannot be read; {_RENEW}") from None
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise FleetError(f"the history {location.shown}: {_words(error, location)}") from None
    except ModuleNotFoundError as error:
        raise FleetError(
            f"the history {location.shown}: {error.name} is not installed: pip install 'fleet-kernel[postgresql]'"
        ) from None


def _words(error: Exception, location: HistoryLocation) -> str:
    if isinstance(error, OSError):
        return f"{error.strerror or type(error).__name__}; --state-dir or --history names another place"
    if isinstance(error, ArgumentError | NoSuchModuleError):
        return "the URL does not load"
    # The cause without SQLAlchemy's statement and parameters, which hold what nodes have said.
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    shown = type(cause).__name__ if isinstance(cause, SQLAlchemyError) else str(cause)
    words = printable(location.without_passwords(" ".join(shown.split())), _MOST_SHOWN)
    return f"{words}; {_RENEW}" if words in _DAMAGED else words


def new_engine(location: HistoryLocation) -> Engine:
    """Make ready to connect, whatever tables there are."""
    if location.file is None:
        return create_engine(
            location.url.reveal(), connect_args={"connect_timeout": _CONNECT_SECONDS}, poolclass=NullPool
        )
    _make_file(location.file)
    engine = create_engine(location.url.reveal(), connect_args={"timeout": _BUSY_SECONDS}, poolclass=NullPool)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_file(file: Path) -> None:
    """Make an empty database that nobody else may read, with a write-ahead log, or leave the one that is there.

    It gets its name when it is whole: of two fleets that switch the same file to a write-ahead log, SQLite refuses
    one at once, without waiting (https://www.sqlite.org/wal.html). And a file that is there is not opened: closing
    it would drop the locks that SQLite holds on it in this process (https://www.sqlite.org/howtocorrupt.html).
    """
    if file.exists():
        if not os.access(file, os.W_OK):
            raise PermissionError(errno.EACCES, "it is read-only")
        return
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    made, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    os.close(made)
    try:
        with closing(sqlite3.connect(name)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        with suppress(FileExistsError):
            file.hardlink_to(name)
    finally:
        Path(name).unlink()


def _prepare_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 of any driver
    # The driver begins no transaction by itself any more: BEGIN is ours, so that changes of tables are in one too.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    # Taken at once: a reader that wants to write later could find that another has written meanwhile.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def _make_tables(connection: Connection) -> str:
    """Make them as they are now: Alembic, which knows how they came to be so, takes as long to load as all the rest.

    See https://alembic.sqlalchemy.org/en/latest/cookbook.html#building-an-up-to-date-database-from-scratch.
    """
    Base.metadata.create_all(connection, checkfirst=False)
    key = "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)"
    connection.execute(text(f"CREATE TABLE alembic_version ( version_num VARCHAR(32) NOT NULL, {key} )"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})
    return HEAD


def _migrate(engine: Engine, location: HistoryLocation, found: str | None) -> None:
    from alembic import command  # noqa: PLC0415 see _make_tables
    from alembic.config import Config  # noqa: PLC0415 see above
    from alembic.script import ScriptDirectory  # noqa: PLC0415 see above

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise FleetError(f"the history {location.shown} was made by a newer fleet: update fleet, or use another one")
    with engine.begin() as connection:
        if location.file is None:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
        # Alembic looks again, inside of the lock: another fleet may have done it meanwhile.
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
