"""Which other runs of a history tell more about a run: what its nodes were like, how they came to be so, what was done.

Runs belong together by their playbook, as it was given or by its digest, and by their hosts.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Engine, Select, func, or_, select
from sqlalchemy.orm import Session, joinedload

from fleet.drift.history.database import told_of
from fleet.drift.history.location import HistoryLocation
from fleet.drift.history.tables import POINT_NUMBERS, HostRow, PartRow, RunRow
from fleet.model.errors import UsageError
from fleet.model.history import HistoryKind
from fleet.model.trend import TrendPoint

LOOKS: Final[tuple[HistoryKind, ...]] = ("audit", "drift")
"""Runs that have read nodes and judged them by a playbook."""
ROLLOUTS: Final[tuple[HistoryKind, ...]] = ("apply", "rollback")

MOST_POINTS: Final = 200
_MOST_COMPARED: Final = 1000


@dataclass(frozen=True, slots=True)
class Related:
    """Runs beside a run, in an open database. Each method is one transaction; `FleetError` where that fails."""

    engine: Engine
    location: HistoryLocation

    def newest(self) -> str:
        """The newest audit, drift check, plan, apply or rollback that has a result.

        Raises:
            UsageError: there is none.
        """
        with told_of(self.location), Session(self.engine) as session, session.begin():
            row = session.scalars(_newest_first(_with_result((*LOOKS, *ROLLOUTS, "plan"))).limit(1)).first()
            if row is None:
                raise UsageError(f"no run in the history {self.location.shown} has a result to show: use fleet audit")
            return row.run_id

    def look(self, run_id: str) -> str | None:
        """The first look at the hosts of a run after its end, or else the last one before it; None without any."""
        with told_of(self.location), Session(self.engine) as session, session.begin():
            base = _row(session, run_id)
            shared, own = _shared(base), _number_of_hosts(base)
            looks = _with_result(LOOKS).where(RunRow.id.in_(_compared(base).having(2 * shared >= own)))
            after = looks.where(RunRow.started >= (base.finished or base.started))
            found = session.scalars(after.order_by(RunRow.started, RunRow.id).limit(1)).first()
            if found is None:
                before = looks.where(RunRow.started < base.started)
                found = session.scalars(_newest_first(before).limit(1)).first()
            return found.run_id if found is not None else None

    def trend(self, run_id: str) -> tuple[TrendPoint, ...]:
        """What looks at mostly the same hosts as this one came to; up to it, the oldest first."""
        with told_of(self.location), Session(self.engine) as session, session.begin():
            base = _row(session, run_id)
            # Half of all hosts that are in either are in both.
            alike = _compared(base).having(3 * _shared(base) >= func.count() + _number_of_hosts(base))
            looks = select(RunRow).where(RunRow.id.in_(alike), RunRow.started <= base.started, RunRow.point.has())
            rows = _newest_first(looks).options(joinedload(RunRow.point)).limit(MOST_POINTS)
            return tuple(
                TrendPoint(
                    run_id=row.run_id,
                    started=row.started,
                    **{name: getattr(row.point, name) for name in POINT_NUMBERS},
                )
                for row in reversed(session.scalars(rows).all())
            )

    def done_before(self, run_id: str) -> tuple[str, ...]:
        """The last apply to hosts of a run, what was taken back since, and the newest plan since; the oldest first."""
        with told_of(self.location), Session(self.engine) as session, session.begin():
            base = _row(session, run_id)
            own = select(HostRow.name).where(HostRow.run == base.id)
            rows = _with_result((*ROLLOUTS, "plan")).where(
                _same_playbook(base), RunRow.started < base.started, RunRow.hosts.any(HostRow.name.in_(own))
            )
            found: list[str] = []
            has_plan = False
            for row in session.scalars(_newest_first(rows).limit(_MOST_COMPARED)):
                if row.kind != "plan" or not has_plan:
                    found.append(row.run_id)
                has_plan = has_plan or row.kind == "plan"
                if row.kind == "apply":
                    break
            return tuple(reversed(found))


def _row(session: Session, run_id: str) -> RunRow:
    return session.scalars(select(RunRow).where(RunRow.run_id == run_id)).one()


def _with_result(kinds: Collection[HistoryKind]) -> Select[RunRow]:
    return select(RunRow).where(RunRow.kind.in_(kinds), RunRow.parts.any(PartRow.name == "result"))


def _newest_first(query: Select[RunRow]) -> Select[RunRow]:
    return query.order_by(RunRow.started.desc(), RunRow.id.desc())


def _same_playbook(base: RunRow) -> ColumnElement[bool]:
    return or_(RunRow.playbook == base.playbook, RunRow.digest == base.digest)


def _compared(base: RunRow) -> Select[int]:
    """The newest looks by the same playbook, each with its hosts to be counted."""
    looks = select(RunRow.id).where(RunRow.kind.in_(LOOKS), _same_playbook(base))
    newest = looks.order_by(RunRow.started.desc(), RunRow.id.desc()).limit(_MOST_COMPARED)
    return select(HostRow.run).where(HostRow.run.in_(newest)).group_by(HostRow.run)


def _shared(base: RunRow) -> ColumnElement[int]:
    """Of the hosts that are counted those of a run."""
    return func.count().filter(HostRow.name.in_(select(HostRow.name).where(HostRow.run == base.id)))


def _number_of_hosts(base: RunRow) -> int:
    return len(base.hosts)
