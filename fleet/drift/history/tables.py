"""The tables of the history. Moments are ISO 8601 in UTC, all of one length, so that they sort as text."""

from typing import Final

from sqlalchemy import Dialect, Double, ForeignKey, Index, LargeBinary, String, Text, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator

from fleet.report.json_text import clean


class Words(TypeDecorator[str]):
    """Text that may come from a node: without what a database cannot hold."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 SQLAlchemy's
        """Write NUL, and lone surrogates, as their escapes."""
        return None if value is None else clean(value).replace("\0", "\\x00")


class Base(DeclarativeBase):
    """What the tables have in common: no type but text, numbers and bytes."""


class RunRow(Base):
    """One run. ``status`` is ``begun`` until its end is recorded."""

    __tablename__ = "run"

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(String(64), unique=True)
    kind: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16))
    who: Mapped[str] = mapped_column(Words)
    machine: Mapped[str] = mapped_column(Words)
    directory: Mapped[str] = mapped_column(Words)
    process: Mapped[str] = mapped_column(Words)
    playbook: Mapped[str] = mapped_column(Words)
    digest: Mapped[str] = mapped_column(String(80))
    version: Mapped[str] = mapped_column(String(64))
    started: Mapped[str] = mapped_column(String(32), index=True)
    finished: Mapped[str | None] = mapped_column(String(32))
    exit_code: Mapped[int | None]
    message: Mapped[str] = mapped_column(Words)
    findings: Mapped[int]
    changes: Mapped[int]
    hosts: Mapped[list["HostRow"]] = relationship(
        order_by="HostRow.position", cascade="all, delete-orphan", passive_deletes=True
    )
    parts: Mapped[list["PartRow"]] = relationship(cascade="all, delete-orphan", passive_deletes=True)
    point: Mapped["PointRow | None"] = relationship(cascade="all, delete-orphan", passive_deletes=True)


class HostRow(Base):
    """What became of one host in one run."""

    __tablename__ = "run_host"

    run: Mapped[int] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Words, index=True)
    status: Mapped[str] = mapped_column(String(16))
    error: Mapped[str] = mapped_column(Words)
    findings: Mapped[int]
    changes: Mapped[int]


class PartRow(Base):
    """Something that is kept of a run as JSON, packed as xz."""

    __tablename__ = "run_part"

    run: Mapped[int] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    packed: Mapped[bytes] = mapped_column(LargeBinary)


POINT_NUMBERS: Final = ("hosts", "with_findings", "unchecked", "violations", "usage_median", "usage_highest")


class PointRow(Base):
    """What an audit or a drift check came to: enough for the course of a year without unpacking a year."""

    __tablename__ = "run_point"

    run: Mapped[int] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)
    hosts: Mapped[int]
    with_findings: Mapped[int]
    unchecked: Mapped[int]
    violations: Mapped[int]
    usage_median: Mapped[float | None] = mapped_column(Double)
    usage_highest: Mapped[float | None] = mapped_column(Double)


class PlaybookRow(Base):
    """A playbook by its name; who holds its row is the only one to judge drift against it."""

    __tablename__ = "playbook"

    name: Mapped[str] = mapped_column(Words, primary_key=True)


class StateRow(Base):
    """A node as the last drift check against a playbook has seen it; ``body`` is JSON."""

    __tablename__ = "drift_state"

    playbook: Mapped[str] = mapped_column(ForeignKey("playbook.name", ondelete="CASCADE"), primary_key=True)
    host: Mapped[str] = mapped_column(Words, primary_key=True)
    seen: Mapped[str] = mapped_column(String(32))
    by: Mapped[str] = mapped_column(Words)
    body: Mapped[str] = mapped_column(Words)


class ItemRow(Base):
    """One difference on one node, from when it was seen first; open until ``closed`` is set."""

    __tablename__ = "drift_item"
    __table_args__ = (
        Index(
            "drift_item_open",
            "playbook",
            "host",
            "about",
            "name",
            unique=True,
            # Said for SQLite only: tables of PostgreSQL come from migrations, and its dialect takes long to load.
            sqlite_where=text("closed IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    playbook: Mapped[str] = mapped_column(ForeignKey("playbook.name", ondelete="CASCADE"))
    host: Mapped[str] = mapped_column(Words)
    about: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(Words)
    kind: Mapped[str] = mapped_column(String(16))
    impact: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(Words)
    value: Mapped[str | None] = mapped_column(Words)
    was: Mapped[str | None] = mapped_column(Words)
    first_seen: Mapped[str] = mapped_column(String(32))
    last_seen: Mapped[str] = mapped_column(String(32))
    closed: Mapped[str | None] = mapped_column(String(32))


class ConfirmedRow(Base):
    """What the last confirmed run has left on a node; ``body`` is JSON."""

    __tablename__ = "confirmed"

    host: Mapped[str] = mapped_column(Words, primary_key=True)
    run_id: Mapped[str] = mapped_column(String(64))
    body: Mapped[str] = mapped_column(Words)
