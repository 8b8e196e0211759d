"""What is done at one host over one connection, in each phase of a rollout."""

from dataclasses import replace

from fleet.model.errors import HostError
from fleet.model.rollout import HostRun, RunError
from fleet.policy import HostView
from fleet.rollout.node import NodeJob, apply_program, confirm_program, status_program, undo_program
from fleet.rollout.outcome import (
    NOT_UNDONE,
    after_apply,
    after_confirm,
    after_status,
    after_undo,
    ask,
    run_error,
    unvisited,
)
from fleet.rollout.session import Session
from fleet.rollout.verify import altered, moved_since, unlike_plan, what_to_read
from fleet.runner.audit import read_facts
from fleet.transport import Connection


class HostJobs:
    """The jobs of a run; each is called in a thread of the fleet, with the host as it was before.

    Attributes:
        sent: the hosts that were sent their changes, so that no answer does not mean that nothing was done.
        told_to_undo: the hosts that were told to take them back.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.sent: set[str] = set()
        self.told_to_undo: set[str] = set()

    def apply(self, host: HostRun, connection: Connection, view: HostView) -> HostRun:
        """Make the changes, once it is sure that nothing has moved since the plan was made."""
        session, plan = self._session, self._session.node_plan(host.name)
        if plan.preconditions is not None and any(state.masked for state in plan.preconditions.files.values()):
            moved = moved_since(plan, read_facts(view, connection, what_to_read(plan)))
            if moved:
                message = f"the node is not as it was planned on: {'; '.join(moved)}: make a new plan"
                return replace(host, status="failed", error=RunError(kind="stale", message=message))
        rollout = session.rollout
        job = NodeJob(
            run_id=session.node_run(host.name),
            who=session.who,
            confirm_within=rollout.confirm_within,
            restart=rollout.restart,
        )

        def program(nonce: str) -> bytes:
            made = apply_program(nonce, job, plan)
            self.sent.add(host.name)
            return made

        answer = ask(host.name, connection, program)
        session.keep_deadline(host.name, answer)
        applied = after_apply(host, answer)
        problems = altered(plan, answer.changes) if applied.node == "pending" else ()
        if not problems:
            return applied
        return self._undo_now(applied, connection, view, RunError(kind="altered", message="; ".join(problems)))

    def not_applied(self, host: HostRun, error: Exception) -> HostRun:
        """A host whose changes were not answered for: only where nothing was sent it is as before."""
        return replace(unvisited(host, error), node="unknown" if host.name in self.sent else "before")

    def verify(self, host: HostRun, connection: Connection, view: HostView) -> HostRun:
        """See over a new connection that the node is as planned, and take it back at once where it is not."""
        if host.node == "unknown":
            host = self.settle(host, connection, view)
            if host.node != "pending":
                return host
        plan = self._session.node_plan(host.name)
        problems = unlike_plan(plan, read_facts(view, connection, what_to_read(plan)))
        if not problems:
            return host
        return self._undo_now(host, connection, view, RunError(kind="verify", message="; ".join(problems)))

    def not_verified(self, host: HostRun, error: Exception) -> HostRun:
        """A host that could not be reached again, which is reason enough not to confirm it."""
        return unvisited(host, error)

    def settle(self, host: HostRun, connection: Connection, _view: HostView) -> HostRun:
        """Ask a node what became of the run."""
        answer = ask(host.name, connection, lambda nonce: status_program(nonce, self._session.node_run(host.name)))
        self._session.keep_deadline(host.name, answer)
        return after_status(host, answer)

    def confirm(self, host: HostRun, connection: Connection, _view: HostView) -> HostRun:
        """Disarm the undo."""
        answer = ask(host.name, connection, lambda nonce: confirm_program(nonce, self._session.node_run(host.name)))
        return after_confirm(host, answer)

    def not_confirmed(self, host: HostRun, error: Exception) -> HostRun:
        """A host that may have been confirmed, or not."""
        return replace(unvisited(host, error), node="unknown")

    def undo(self, host: HostRun, connection: Connection, _view: HostView) -> HostRun:
        """Take the changes back."""

        def program(nonce: str) -> bytes:
            self.told_to_undo.add(host.name)
            return undo_program(nonce, self._session.node_run(host.name))

        return after_undo(host, ask(host.name, connection, program))

    def not_undone(self, host: HostRun, error: Exception) -> HostRun:
        """A host that did not say that it is back; its node does that itself, unless it was confirmed before."""
        problem = run_error(error)
        later = f"; it undoes itself at {host.undo_at}" if host.undo_at else ""
        notes = dict.fromkeys((*host.notes, f"{NOT_UNDONE}{problem.message}{later}"))
        node = "unknown" if host.name in self.told_to_undo else host.node
        return replace(unvisited(host, error), node=node, notes=tuple(notes))

    def _undo_now(self, host: HostRun, connection: Connection, view: HostView, error: RunError) -> HostRun:
        failed = replace(host, status="failed", error=error)
        try:
            return self.undo(failed, connection, view)
        except HostError as problem:
            return self.not_undone(failed, problem)
