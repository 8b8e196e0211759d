"""Going on with a run whose controller has ended, or that was interrupted."""

from dataclasses import replace
from threading import Event

from fleet.model.errors import UsageError
from fleet.model.rollout import HostRun, RunResult
from fleet.rollout.batch import Batch
from fleet.rollout.engine import end, go_on
from fleet.rollout.events import Resumed
from fleet.rollout.host import HostJobs
from fleet.rollout.journal import Journal, timestamp
from fleet.rollout.outcome import unvisited
from fleet.rollout.request import Observer, ResumeRequest
from fleet.rollout.session import Session
from fleet.rollout.state import LOST, RunState
from fleet.rollout.undo import finish_undo, in_doubt, to_take_back
from fleet.runner.fleet import Fleet


def resume(fleet: Fleet, request: ResumeRequest, observer: Observer, stop: Event) -> RunResult:
    """Go on with an apply: ask the nodes of which it is not known what became of them, then finish or roll out further.

    A node that has undone itself because nobody was there to confirm it is changed again.

    Args:
        fleet: whose inventory has every host of the run.
        request: which run.
        observer: told how far it is.
        stop: as for `fleet.rollout.apply`.

    Raises:
        UsageError: there is no such run, it is going on elsewhere, or there is nothing to go on with.
        FleetError: its journal is damaged, or cannot be written.
    """
    with Journal.reopen(request.state_dir, request.run_id) as journal:
        _refuse_finished(journal.state)
        session = Session(
            fleet=fleet,
            plan=journal.plan,
            journal=journal,
            observer=observer,
            stop=stop,
            who=request.who,
            policy=request.policy,
        )
        interrupted = journal.state.status == "interrupted"
        journal.record(Resumed(at=timestamp(), who=request.who))
        _settle(session)
        return _go_on(session, interrupted=interrupted)


def _refuse_finished(state: RunState) -> None:
    begun, decided = state.begun, state.decision
    if begun.kind != "apply":
        raise UsageError(f"{begun.run_id} is a rollback: run it again, it goes on where it is not done")
    if state.status == "done":
        raise UsageError(f"{begun.run_id} has gone to its end: there is nothing to go on with")
    taken_back = decided is not None and decided.action == "undo" and decided.status != "interrupted"
    if state.status != "running" and taken_back and not any(map(in_doubt, state.hosts.values())):
        raise UsageError(f"{begun.run_id} was stopped ({state.stopped_by}): mend the cause and make a new plan")


def _settle(session: Session) -> None:
    """Ask every node that was begun and is not known to be at rest."""
    jobs = HostJobs(session)
    names = [name for name, host in session.journal.state.hosts.items() if in_doubt(host)]
    session.visit("check", names, jobs.settle, failed=unvisited)


def _go_on(session: Session, *, interrupted: bool) -> RunResult:
    state = session.journal.state
    decided, number = state.decision, state.batch
    if decided is not None and decided.action == "undo":
        names = to_take_back(session, number, interrupted=decided.status == "interrupted")
        finish_undo(session, number, names, decided.text)
        if decided.status != "interrupted":
            Batch(session, number).after()
            return end(session, decided.status, f"batch {number}: {decided.text}")
        interrupted = True
    if number == 0 or (decided is not None and decided.action in {"go", "halt"}):
        return go_on(session, number + 1)
    if state.confirming and not interrupted:
        Batch(session, number).confirm()
    _begin_again(session, number)
    return go_on(session, number)


def _begin_again(session: Session, number: int) -> None:
    """Let hosts of the present batch that were undone through no fault of theirs wait for their changes again."""
    for name in session.journal.state.begun.batches[number - 1]:
        host = session.host(name)
        no_fault = host.error is None or host.error == LOST or host.error.kind == "expired"
        if host.status == "undone" and host.node == "before" and no_fault:
            session.journal.tell(_waiting(host))


def _waiting(host: HostRun) -> HostRun:
    return replace(host, status="not-reached", error=None, changes=(), undo_at=None, notes=())
