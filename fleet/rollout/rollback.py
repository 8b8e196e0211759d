"""Taking back a run that was confirmed, or whose end is not known."""

from dataclasses import replace
from threading import Event

from fleet import __version__
from fleet.model.errors import UsageError
from fleet.model.rollout import HostRun, RunError, RunResult
from fleet.plan import NodePlan
from fleet.policy import HostView
from fleet.report.words import count_hosts
from fleet.rollout.batch import INTERRUPTED
from fleet.rollout.decide import summary
from fleet.rollout.engine import end
from fleet.rollout.events import BatchBegun, Begun, Decided
from fleet.rollout.journal import Journal, timestamp
from fleet.rollout.node import undo_program
from fleet.rollout.outcome import after_undo, ask, unvisited
from fleet.rollout.request import Observer, RollbackRequest
from fleet.rollout.runs import plan_of
from fleet.rollout.session import Session
from fleet.rollout.state import RunState
from fleet.rollout.trap import is_about_protection, unprotected
from fleet.rollout.verify import what_to_read
from fleet.runner.audit import read_facts
from fleet.runner.fleet import Fleet
from fleet.transport import Connection

_CURE = "keep it, or take it back with --force and restart kube-proxy right after, which then sets its INVALID rule"


def rollback(fleet: Fleet, request: RollbackRequest, observer: Observer, stop: Event) -> RunResult:
    """Give hosts back the bytes, modes and live values that they had before a run.

    Args:
        fleet: whose inventory has every host of the run.
        request: what to take back.
        observer: told how far it is.
        stop: once set, no further host is begun.

    Raises:
        UsageError: there is no such run, it is going on elsewhere, or it is not about a host.
        FleetError: a journal cannot be read or written.
    """
    with Journal.reopen(request.state_dir, request.run_id) as journal:
        source = journal.state
        names = _names(source, request)
        begun = Begun(
            at=timestamp(),
            run_id=request.own_run_id,
            kind="rollback",
            plan_run=request.run_id,
            playbook=source.begun.playbook,
            version=__version__,
            who=request.who,
            hosts=names,
            batches=(names,) if names else (),
        )
        observer.note(f"run {begun.run_id}")
        with Journal.create(request.state_dir, begun, plan_of(request.run_id, request.state_dir)) as own:
            session = Session(
                fleet=fleet, plan=own.plan, journal=own, observer=observer, stop=stop, who=request.who, policy=None
            )
            return _take_back(session, source, force=request.force)


def _names(source: RunState, request: RollbackRequest) -> tuple[str, ...]:
    if source.begun.kind != "apply":
        raise UsageError(f"{request.run_id} is a rollback, which cannot be taken back: apply the plan again")
    known = source.hosts
    if unknown := set(request.hosts or ()) - known.keys():
        raise UsageError(f"the run {request.run_id} is not about the host {min(unknown)}")
    wanted = known.keys() if request.hosts is None else set(request.hosts)
    return tuple(name for name, host in known.items() if name in wanted and may_be_changed(host))


def may_be_changed(host: HostRun) -> bool:
    """Whether a run has left something at a host, for all that is known."""
    return host.node != "before"


def _take_back(session: Session, source: RunState, *, force: bool) -> RunResult:
    begun = session.journal.state.begun
    sent: set[str] = set()

    def undo(host: HostRun, connection: Connection, view: HostView) -> HostRun:
        plan = session.node_plan(host.name)
        if not force and (reasons := _reasons(plan, view, connection)):
            message = f"{'; '.join(reasons)}: {_CURE}"
            return replace(host, status="failed", error=RunError(kind="refused", message=message))
        run_id = source.node_runs.get(host.name, source.begun.run_id)
        sent.add(host.name)
        return after_undo(host, ask(host.name, connection, lambda nonce: undo_program(nonce, run_id, force=force)))

    def not_undone(host: HostRun, error: Exception) -> HostRun:
        return replace(unvisited(host, error), node="unknown" if host.name in sent else host.node)

    for name in begun.hosts:
        was = source.hosts[name]
        session.journal.tell(replace(session.host(name), node=was.node, changes=was.changes, undo_at=was.undo_at))
    if begun.batches:
        session.journal.record(BatchBegun(at=timestamp(), number=1))
        session.observer.batch(1, 1, begun.hosts)
    session.visit("undo", begun.hosts, undo, failed=not_undone, stop=session.stop)
    if begun.batches:
        text = summary(session.hosts(begun.hosts))
        session.journal.record(Decided(at=timestamp(), batch=1, action="go", status="running", text=text))
    left = [name for name in begun.hosts if session.host(name).status == "not-reached"]
    if session.stop.is_set() and left:
        return end(session, "interrupted", f"{INTERRUPTED} before {count_hosts(len(left))} were reached")
    return end(session, "done", "")


def _reasons(plan: NodePlan, view: HostView, connection: Connection) -> tuple[str, ...]:
    if not is_about_protection(plan):
        return ()
    return unprotected(plan, read_facts(view, connection, what_to_read(plan)))
