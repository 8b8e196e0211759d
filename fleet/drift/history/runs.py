"""The runs of a history: begun, ended, looked up, exported, forgotten."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import CursorResult, Engine, delete, func, select
from sqlalchemy.orm import Session

from fleet.drift.history.database import told_of
from fleet.drift.history.location import HistoryLocation
from fleet.drift.history.packing import pack, unpack
from fleet.drift.history.process import is_running
from fleet.drift.history.tables import POINT_NUMBERS, HostRow, PartRow, PointRow, RunRow
from fleet.model.errors import UsageError
from fleet.model.history import (
    HistoryBegin,
    HistoryEnd,
    HistoryEntry,
    HistoryHost,
    HistoryKind,
    HistoryRun,
    HistoryStatus,
    HistoryWanted,
)

_BEGUN = "begun"
_AT_A_TIME = 100
_FIELDS = ("run_id", "who", "machine", "directory", "process", "playbook", "digest", "version", "started")
_LATEST = "latest"
_LONGEST_ELSEWHERE = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs of an open database. Each method is one transaction, and raises `FleetError` where that fails."""

    engine: Engine
    location: HistoryLocation

    def begin(self, begin: HistoryBegin) -> None:
        """Record that a run is begun; or, of one that is known, that it is taken up again."""
        with told_of(self.location), Session(self.engine) as session, session.begin():
            row = _row(session, begin.run_id)
            if row is None:
                row = RunRow(kind=begin.kind, **{name: getattr(begin, name) for name in _FIELDS})
                session.add(row)
            # A run that is taken up again began when it began; who ends it, and where, is who has it now.
            row.who, row.machine, row.directory, row.process = begin.who, begin.machine, begin.directory, begin.process
            row.status, row.finished, row.exit_code, row.message = _BEGUN, None, None, ""
            row.findings, row.changes = 0, 0

    def end(self, run_id: str, end: HistoryEnd) -> None:
        """Record the end of a run that was begun."""
        with told_of(self.location), Session(self.engine) as session, session.begin():
            end_in(session, run_id, end)

    def entries(self, wanted: HistoryWanted) -> tuple[HistoryEntry, ...]:
        """Runs, newest first."""
        query = select(RunRow).order_by(RunRow.started.desc(), RunRow.id.desc())
        if wanted.kinds:
            query = query.where(RunRow.kind.in_(wanted.kinds))
        if wanted.host is not None:
            query = query.where(RunRow.hosts.any(HostRow.name == wanted.host))
        if wanted.most is not None:
            query = query.limit(wanted.most)
        with told_of(self.location), Session(self.engine) as session, session.begin():
            rows = session.scalars(query).all()
            counts = _counts(session, [row.id for row in rows])
            return tuple(_entry(row, counts.get(row.id, {})) for row in rows)

    def run(self, run_id: str) -> HistoryRun:
        """One run; ``latest`` is the newest one that has ended.

        Raises:
            UsageError: there is none of that name.
        """
        with told_of(self.location), Session(self.engine) as session, session.begin():
            query = select(RunRow).order_by(RunRow.started.desc(), RunRow.id.desc()).limit(1)
            last = session.scalars(query.where(RunRow.status != _BEGUN)).first()
            row = last if run_id == _LATEST else _row(session, run_id)
            if row is None:
                there = f"the last one is {last.run_id}" if last is not None else "there is none"
                raise UsageError(f"no run '{run_id}' in the history {self.location.shown} ({there})")
            return _run(session, row)

    def oldest_first(self) -> Iterator[HistoryRun]:
        """All runs; each is read when it is asked for."""
        last: tuple[str, int] = ("", 0)
        while True:
            with told_of(self.location), Session(self.engine) as session, session.begin():
                after = (RunRow.started > last[0]) | ((RunRow.started == last[0]) & (RunRow.id > last[1]))
                query = select(RunRow).where(after).order_by(RunRow.started, RunRow.id).limit(_AT_A_TIME)
                rows = session.scalars(query).all()
                found = [_run(session, row) for row in rows]
                if not rows:
                    return
                last = (rows[-1].started, rows[-1].id)
            yield from found

    def changing_since(self, moment: str) -> tuple[frozenset[str], bool]:
        """Hosts of applies and rollbacks that have ended since a moment; and whether one is still going on."""
        with told_of(self.location), Session(self.engine) as session, session.begin():
            changing = select(RunRow).where(RunRow.kind.in_(("apply", "rollback")))
            ended = session.scalars(changing.where(RunRow.finished >= moment)).all()
            going = session.scalars(changing.where(RunRow.status == _BEGUN)).all()
            hosts = frozenset(host.name for row in ended for host in row.hosts)
            return hosts, any(_may_run(row, moment) for row in going)

    def prune(self, before: str) -> int:
        """Forget runs that were begun before a moment, and give their number. What drift is compared with stays."""
        with told_of(self.location), Session(self.engine) as session, session.begin():
            done = session.execute(delete(RunRow).where(RunRow.started < before))
            assert isinstance(done, CursorResult)  # noqa: S101 a DELETE has a number of rows
            return done.rowcount


def end_in(session: Session, run_id: str, end: HistoryEnd) -> None:
    """Record the end of a run within a transaction; of one that was pruned meanwhile nothing is kept."""
    row = _row(session, run_id)
    if row is None:
        return
    row.status, row.finished, row.exit_code, row.message = end.status, end.finished, end.exit_code, end.message
    row.findings, row.changes = sum(host.findings for host in end.hosts), sum(host.changes for host in end.hosts)
    row.hosts = [
        HostRow(
            position=position,
            name=host.name,
            status=host.status,
            error=host.error,
            findings=host.findings,
            changes=host.changes,
        )
        for position, host in enumerate(end.hosts)
    ]
    row.parts = [PartRow(name=name, packed=pack(text)) for name, text in end.parts.items()]
    if end.point is not None:
        row.point = PointRow(**{name: getattr(end.point, name) for name in POINT_NUMBERS})


def _row(session: Session, run_id: str) -> RunRow | None:
    return session.scalars(select(RunRow).where(RunRow.run_id == run_id)).one_or_none()


def _counts(session: Session, ids: Sequence[int]) -> Mapping[int, Mapping[str, int]]:
    query = select(HostRow.run, HostRow.status, func.count()).group_by(HostRow.run, HostRow.status)
    found: dict[int, dict[str, int]] = {}
    for run, status, count in session.execute(query.where(HostRow.run.in_(ids)).order_by(HostRow.status)):
        found.setdefault(run, {})[status] = count
    return found


def _run(session: Session, row: RunRow) -> HistoryRun:
    return HistoryRun(
        entry=_entry(row, _counts(session, [row.id]).get(row.id, {})),
        hosts=tuple(
            HistoryHost(
                name=host.name, status=host.status, error=host.error, findings=host.findings, changes=host.changes
            )
            for host in row.hosts
        ),
        parts={part.name: unpack(part.packed) for part in row.parts},  # type: ignore[misc] # only end writes them
    )


def _entry(row: RunRow, counts: Mapping[str, int]) -> HistoryEntry:
    kind: HistoryKind = row.kind  # type: ignore[assignment] # only begin writes it
    return HistoryEntry(
        begin=HistoryBegin(kind=kind, **{name: getattr(row, name) for name in _FIELDS}),
        status=_status(row),
        finished=row.finished,
        exit_code=row.exit_code,
        message=row.message,
        counts=counts,
        findings=row.findings,
        changes=row.changes,
    )


def _may_run(row: RunRow, moment: str) -> bool:
    is_alive = is_running(row.machine, row.process)
    if is_alive is None:
        # Nobody here can see that it was killed; after this time it is taken for that.
        since = datetime.fromisoformat(moment) - datetime.fromisoformat(row.started)
        return since < _LONGEST_ELSEWHERE
    return is_alive


def _status(row: RunRow) -> HistoryStatus:
    if row.status == _BEGUN:
        return "running" if is_running(row.machine, row.process) else "unfinished"
    status: HistoryStatus = row.status  # type: ignore[assignment] # only end writes it
    return status
