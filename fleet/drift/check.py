"""One drift check: an audit, held against what is remembered, and remembered in its turn."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING

from fleet.drift.judge import Question, judge
from fleet.drift.ledger import by_host, settle
from fleet.drift.state import state_of, with_unread
from fleet.facts import ProbeRequest
from fleet.model.drift import Confirmed, DriftItem, DriftReport, DriftStatus, HostDrift, HostState
from fleet.model.errors import FleetError
from fleet.model.finding import Audit, HostAudit
from fleet.model.history import HistoryEnd, HistoryPart
from fleet.policy import Policy
from fleet.report.audit_json import audit_json
from fleet.report.drift_json import drift_json
from fleet.report.drift_status import drift_exit_code
from fleet.report.grouping import fold_names, in_order
from fleet.report.history_hosts import drift_history
from fleet.report.trend import trend_point

if TYPE_CHECKING:
    # Commands that only name this one do not load SQLAlchemy.
    from fleet.drift.history.history import History


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is remembered when a check looks.

    Attributes:
        states: each node as the last check against the playbook saw it.
        items: what is open.
        confirmed: what the last confirmed runs have left.
        in_a_run: hosts that a run was changing while they were read, which say nothing.
    """

    states: Mapping[str, HostState] = field(default_factory=dict)
    items: Collection[DriftItem] = ()
    confirmed: Mapping[str, Confirmed] = field(default_factory=dict)
    in_a_run: Collection[str] = ()


def compare(audit: Audit, policy: Policy, known: Known | None) -> tuple[DriftReport, Mapping[str, HostState]]:
    """Hold an audit against what is remembered.

    Args:
        audit: of the nodes now.
        policy: the playbook.
        known: None where there is no history to look into.

    Returns:
        What is to be told, and how the nodes are to be remembered.
    """
    memory = known or Known()
    items = by_host(memory.items)
    today = date.fromisoformat(audit.started[:10])
    ended = frozenset(each.control for each in policy.exceptions if each.expires < today)
    hosts: dict[str, HostDrift] = {}
    states: dict[str, HostState] = {}
    for name, host in audit.hosts.items():
        was_open, last = items.get(name, ()), memory.states.get(name)
        now = state_of(host, seen=audit.started, run_id=audit.run_id, digest=policy.digest)
        is_late = last is not None and last.seen > audit.started
        if now is None or is_late or name in memory.in_a_run:
            hosts[name] = HostDrift(name=name, status=_status(host, was_open), error=host.error, items=was_open)
            continue
        question = Question(
            host=host,
            now=now,
            last=last,
            confirmed=memory.confirmed.get(name),
            ended=ended,
            has_history=known is not None,
        )
        found = settle(host, was_open, judge(question), audit.started)
        hosts[name] = HostDrift(name=name, status=_status(host, found), items=found)
        states[name] = with_unread(now, last)
    report = DriftReport(
        run_id=audit.run_id,
        started=audit.started,
        finished=audit.finished,
        playbook=audit.playbook,
        digest=policy.digest,
        version=audit.version,
        hosts=hosts,
        notes=_notes(audit, known),
    )
    return report, states


def what_to_read(history: "History", hosts: Collection[str]) -> ProbeRequest:
    """What the last confirmed runs have written on hosts.

    Raises:
        FleetError: the history cannot be read.
    """
    confirmed = history.book.confirmed(hosts).values()
    return ProbeRequest(
        keys=tuple(dict.fromkeys(key for each in confirmed for key in each.values)),
        files=tuple(dict.fromkeys(path for each in confirmed for path in each.files)),
    )


def check(audit: Audit, policy: Policy, history: "History | None") -> tuple[DriftReport, bool]:
    """Compare, and remember, in one transaction that also ends the run.

    Args:
        audit: of the nodes now.
        policy: the playbook.
        history: None where it could not be opened.

    Returns:
        What is to be told, and whether it is remembered.
    """
    report: DriftReport | None = None
    if history is None:
        return compare(audit, policy, None)[0], False
    try:
        changed, is_going_on = history.runs.changing_since(audit.started)
        confirmed = history.book.confirmed(audit.hosts)
        with history.book.page(policy.name) as page:
            known = Known(
                states=page.states(),
                items=page.open_items(),
                confirmed=confirmed,
                in_a_run=frozenset(audit.hosts) if is_going_on else changed,
            )
            report, states = compare(audit, policy, known)
            page.write_states(states)
            page.write_items(item for host in report.hosts.values() for item in host.items if item.state != "noted")
            page.end_run(audit.run_id, _end(report, audit))
    except FleetError as error:
        report = report or compare(audit, policy, None)[0]
        return replace(report, notes=(*report.notes, f"This check will not be remembered: {error}")), False
    return report, True


def kept_parts(report: DriftReport, audit: Audit) -> Mapping[HistoryPart, str | Iterator[str]]:
    """What the history keeps of a check: what it told, and the audit behind it, for the page about it."""
    return {"result": drift_json(report), "audit": audit_json(audit)}


def _end(report: DriftReport, audit: Audit) -> HistoryEnd:
    return HistoryEnd(
        status="done",
        exit_code=drift_exit_code(report),
        finished=report.finished,
        hosts=drift_history(report),
        parts=kept_parts(report, audit),
        point=trend_point(audit),
    )


def _status(host: HostAudit, items: Collection[DriftItem]) -> DriftStatus:
    if host.status in {"failed", "unreachable"}:
        return "unreachable" if host.status == "unreachable" else "failed"
    return "drift" if any(item.state == "open" for item in items) else "ok"


def _notes(audit: Audit, known: Known | None) -> tuple[str, ...]:
    if known is None:
        return ("The history could not be read: since when something differs, and why, is not known.",)
    busy = [name for name in audit.hosts if name in known.in_a_run]
    if not busy:
        return ()
    return (f"{fold_names(in_order(busy))}: a run was changing this while it was read, so it is not compared.",)
