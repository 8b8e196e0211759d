"""What drift checks remember: how each node was, what is open, and what confirmed runs have left."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import TypeAdapter
from sqlalchemy import Engine, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from fleet.drift.history.database import told_of
from fleet.drift.history.location import HistoryLocation
from fleet.drift.history.runs import end_in
from fleet.drift.history.tables import ConfirmedRow, ItemRow, PlaybookRow, StateRow
from fleet.model.drift import Confirmed, Deviation, DriftItem, HostState
from fleet.model.history import HistoryEnd

_STATE: TypeAdapter[HostState] = TypeAdapter(HostState)
_CONFIRMED: TypeAdapter[Confirmed] = TypeAdapter(Confirmed)
_DEVIATION: TypeAdapter[Deviation] = TypeAdapter(Deviation)


@dataclass(frozen=True, slots=True)
class Page:
    """What is remembered of one playbook; nobody else reads or writes it until the transaction ends."""

    session: Session
    playbook: str

    def states(self) -> Mapping[str, HostState]:
        """Each node as it was seen last."""
        rows = self.session.scalars(select(StateRow).where(StateRow.playbook == self.playbook))
        return {row.host: _STATE.validate_json(row.body) for row in rows}

    def open_items(self) -> tuple[DriftItem, ...]:
        """What is open, oldest first."""
        query = select(ItemRow).where(ItemRow.playbook == self.playbook, ItemRow.closed.is_(None))
        return tuple(map(_item, self.session.scalars(query.order_by(ItemRow.first_seen, ItemRow.id))))

    def write_states(self, states: Mapping[str, HostState]) -> None:
        """Remember how nodes were seen."""
        query = select(StateRow).where(StateRow.playbook == self.playbook)
        rows = {row.host: row for row in self.session.scalars(query)}
        for host, state in states.items():
            row = rows.get(host)
            if row is None:
                row = StateRow(playbook=self.playbook, host=host)
                self.session.add(row)
            row.seen, row.by, row.body = state.seen, state.by, _STATE.dump_json(state, ensure_ascii=True).decode()

    def write_items(self, items: Iterable[DriftItem]) -> None:
        """Remember open items, and those that are closed."""
        query = select(ItemRow).where(ItemRow.playbook == self.playbook, ItemRow.closed.is_(None))
        rows = {(row.host, row.about, row.name): row for row in self.session.scalars(query)}
        for item in items:
            seen = item.deviation
            row = rows.get((item.host, seen.about, seen.name))
            if row is None:
                row = ItemRow(playbook=self.playbook, host=item.host, about=seen.about, name=seen.name)
                self.session.add(row)
            row.kind, row.impact, row.reason, row.value, row.was = (
                seen.kind,
                seen.impact,
                seen.reason,
                seen.value,
                seen.was,
            )
            row.first_seen, row.last_seen, row.closed = item.first_seen, item.last_seen, item.closed

    def end_run(self, run_id: str, end: HistoryEnd) -> None:
        """Record the end of the check in the same transaction."""
        end_in(self.session, run_id, end)


@dataclass(frozen=True, slots=True)
class Book:
    """The memory of drift checks in an open database; its methods raise `FleetError` where that fails."""

    engine: Engine
    location: HistoryLocation

    @contextmanager
    def page(self, playbook: str) -> Iterator[Page]:
        """Open what is remembered of a playbook, by its name; what is written stays if nothing is raised."""
        with told_of(self.location), Session(self.engine) as session, session.begin():
            insert = postgresql.insert if self.engine.dialect.name == "postgresql" else sqlite.insert
            session.execute(insert(PlaybookRow).values(name=playbook).on_conflict_do_nothing())
            # SQLite has one writer at a time, and leaves this out.
            session.scalars(select(PlaybookRow).where(PlaybookRow.name == playbook).with_for_update()).one()
            yield Page(session, playbook)

    def confirmed(self, hosts: Iterable[str]) -> Mapping[str, Confirmed]:
        """What the last confirmed run has left on each of the hosts."""
        wanted = frozenset(hosts)
        with told_of(self.location), Session(self.engine) as session, session.begin():
            rows = session.scalars(select(ConfirmedRow))
            return {row.host: _CONFIRMED.validate_json(row.body) for row in rows if row.host in wanted}

    def confirm(self, confirmed: Mapping[str, Confirmed]) -> None:
        """Remember what a run has left on its hosts."""
        with told_of(self.location), Session(self.engine) as session, session.begin():
            for host, left in confirmed.items():
                body = _CONFIRMED.dump_json(left, ensure_ascii=True).decode()
                session.merge(ConfirmedRow(host=host, run_id=left.run_id, body=body))

    def take_back(self, run_id: str, hosts: Iterable[str]) -> None:
        """Forget what a run has left on hosts where it was taken back."""
        gone = delete(ConfirmedRow).where(ConfirmedRow.run_id == run_id, ConfirmedRow.host.in_(tuple(hosts)))
        with told_of(self.location), Session(self.engine) as session, session.begin():
            session.execute(gone)


def _item(row: ItemRow) -> DriftItem:
    # Validated, because the words that fleet knows are fewer than those that a database can hold.
    seen = _DEVIATION.validate_python(
        {
            "about": row.about,
            "name": row.name,
            "kind": row.kind,
            "is_open": True,
            "impact": row.impact,
            "reason": row.reason,
            "value": row.value,
            "was": row.was,
        }
    )
    return DriftItem(host=row.host, deviation=seen, state="open", first_seen=row.first_seen, last_seen=row.last_seen)
