"""The rollout of a plan, batch after batch."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from threading import Event

from fleet import __version__
from fleet.model.errors import UsageError
from fleet.model.rollout import HostRun, RunError, RunResult, RunStatus
from fleet.plan import HostPlan, Plan
from fleet.rollout.batch import INTERRUPTED, Batch
from fleet.rollout.batches import batches
from fleet.rollout.decide import closed_window
from fleet.rollout.events import Begun, Ended
from fleet.rollout.journal import Journal, timestamp
from fleet.rollout.request import ApplyRequest, Observer
from fleet.rollout.session import Session
from fleet.rollout.windows import is_open
from fleet.runner.fleet import Fleet


def apply(fleet: Fleet, request: ApplyRequest, observer: Observer, stop: Event) -> RunResult:
    """Carry out a plan: in batches, each verified and confirmed, or taken back.

    Args:
        fleet: whose inventory has every host of the request.
        request: what to carry out.
        observer: told how far it is.
        stop: once set, nothing new is begun, what is not confirmed is undone, and the result is ``interrupted``.

    Raises:
        UsageError: no maintenance window is open, or a host is not in the plan.
        FleetError: the journal cannot be written; nodes that are not confirmed undo themselves.
    """
    plan = request.plan
    if unknown := set(request.hosts) - plan.hosts.keys():
        raise UsageError(f"the plan has no host {min(unknown)}")
    refuse_outside_windows(request)
    names = [name for name in plan.hosts if name in set(request.hosts)]
    begun = Begun(
        at=timestamp(),
        run_id=request.own_run_id,
        kind="apply",
        plan_run=plan.run_id,
        playbook=plan.playbook,
        version=__version__,
        who=request.who,
        hosts=tuple(names),
        batches=planned_batches(plan, names),
    )
    observer.note(f"run {begun.run_id}")
    with Journal.create(request.state_dir, begun, plan) as journal:
        for name in names:
            for host in _first_word(plan.hosts[name]):
                journal.tell(host)
        session = Session(
            fleet=fleet,
            plan=journal.plan,
            journal=journal,
            observer=observer,
            stop=stop,
            who=request.who,
            policy=request.policy,
        )
        return go_on(session, 1)


def go_on(session: Session, first: int) -> RunResult:
    """Roll out from a batch on, to the end or to a stop."""
    rollout, state = session.rollout, session.journal.state
    total = len(state.begun.batches)
    for number in range(first, total + 1):
        if session.stop.is_set():
            return end(session, "interrupted", INTERRUPTED)
        if not is_open(rollout.windows, now := datetime.now(UTC)):
            return end(session, "stopped", f"before batch {number}: {closed_window(rollout.windows, now)}")
        decided = Batch(session, number).run()
        if decided.action != "go":
            return end(session, decided.status, f"batch {number}: {decided.text}")
        if rollout.pause and number < total:
            session.observer.note(f"pausing for {rollout.pause:g} s before batch {number + 1}")
            session.stop.wait(rollout.pause)
    return end(session, "done", "")


def end(session: Session, status: RunStatus, stopped_by: str) -> RunResult:
    """Write down the end of a run, and give what it came to."""
    session.journal.record(Ended(at=timestamp(), status=status, stopped_by=stopped_by))
    return session.journal.state.result


def planned_batches(plan: Plan, hosts: Collection[str]) -> tuple[tuple[str, ...], ...]:
    """The batches in which an apply changes hosts of a plan; those without changes are in none."""
    changed = [name for name, host in plan.hosts.items() if name in hosts and host.plan and host.plan.changes]
    return batches(changed, plan.rollout.serial)


def refuse_outside_windows(request: ApplyRequest) -> None:
    """Make sure that changes may be made now.

    Raises:
        UsageError: no window is open.
    """
    windows, now = request.plan.rollout.windows, datetime.now(UTC)
    if not is_open(windows, now):
        raise UsageError(f"{closed_window(windows, now)}: nothing was changed")


def _first_word(host: HostPlan) -> Iterator[HostRun]:
    """What is known of a host before anything is done; nothing where it simply waits for its changes."""
    waiting = HostRun(name=host.name, status="not-reached", node="before")
    if host.plan is None:
        kind, message = (host.error.kind, host.error.message) if host.error is not None else ("internal", "no plan")
        yield replace(waiting, error=RunError(kind=kind, message=f"not planned: {message}"))
        return
    refused = tuple(f"{each.target} is refused: {each.reason}" for each in host.plan.refused)
    remedies = tuple(f"{each.target} is to be mended in the cluster: {each.text}" for each in host.plan.remedies)
    if host.plan.changes:
        if notes := (*refused, *remedies):
            yield replace(waiting, notes=notes)
    elif refused:
        yield replace(waiting, error=RunError(kind="refused", message="; ".join(refused)), notes=remedies)
    else:
        yield replace(waiting, status="noop", notes=remedies)
