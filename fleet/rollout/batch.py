"""One batch: change, verify, soak, gates, confirm, or take it all back."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from threading import Event

from fleet.model.rollout import GateResult, HostRun, Phase, RunError
from fleet.policy.gates import seconds_needed
from fleet.rollout.decide import failed_gate, summary, too_late, too_many_failed
from fleet.rollout.events import BatchBegun, Decided, GateTold
from fleet.rollout.gates import GateContext, check_gates
from fleet.rollout.hooks import run_hooks
from fleet.rollout.host import HostJobs
from fleet.rollout.journal import timestamp
from fleet.rollout.occasion import Occasion
from fleet.rollout.session import Session, waits_for_confirmation
from fleet.rollout.undo import in_doubt, take_back, undo_hosts

INTERRUPTED = "interrupted by the operator"
# Each is a socket and a thread: well below what a process may have open, which often is 1,024.
_MOST_KEPT_OPEN = 256


class Batch:
    """One batch of a run, from wherever its hosts stand.

    Args:
        session: of the run.
        number: from 1.
    """

    def __init__(self, session: Session, number: int) -> None:
        self._session = session
        self._number = number
        self._names = session.journal.state.begun.batches[number - 1]
        self._jobs = HostJobs(session)

    def run(self) -> Decided:
        """Bring the batch to its end, and say whether the rollout goes on."""
        session, state = self._session, self._session.journal.state
        passed = state.confirming and state.batch == self._number and not self._waiting()
        session.journal.record(BatchBegun(at=timestamp(), number=self._number))
        session.observer.batch(self._number, len(state.begun.batches), self._names)
        if not passed:
            self._change()
            problem = "" if session.stop.is_set() else self._problem()
            # Once confirming has begun it is brought to its end: half a batch is no state to leave.
            if session.stop.is_set() or problem:
                return self._stopped(problem)
        self.confirm()
        if problem := self._too_many():
            return self._stopped(problem)
        self.after()
        problem = self._too_many()
        decided = Decided(
            at=timestamp(),
            batch=self._number,
            action="halt" if problem else "go",
            status="stopped" if problem else "running",
            text=problem or summary(session.hosts(self._names)),
        )
        session.decide(decided)
        return decided

    def _stopped(self, problem: str) -> Decided:
        decided = take_back(self._session, self._number, problem or INTERRUPTED, interrupted=not problem)
        self.after()
        return decided

    def _change(self) -> None:
        """Hooks, changes, and a look at each changed node over a new connection."""
        session = self._session
        self._before()
        waiting = self._waiting()
        session.visit("apply", waiting, self._jobs.apply, failed=self._jobs.not_applied, stop=session.stop)
        if not session.stop.is_set():
            changed, jobs = self._which(in_doubt), self._jobs
            session.visit("verify", changed, jobs.verify, failed=jobs.not_verified, keep=self._keeps_connections())
            self._undo_failed()

    def _problem(self) -> str:
        """Why the batch is not to be confirmed, after soak and gates; empty where it is."""
        rollout = self._session.rollout
        self._undo_late(rollout.soak + sum(map(seconds_needed, rollout.gates)))
        if (problem := self._too_many()) or not self._pending():
            return problem
        if rollout.soak:
            self._show("soak")
            self._session.stop.wait(rollout.soak)
        problem = failed_gate(self._gates()) if rollout.gates and not self._session.stop.is_set() else ""
        # A gate that the operator has ended has failed nothing.
        return "" if self._session.stop.is_set() else problem

    def _gates(self) -> tuple[GateResult, ...]:
        session = self._session
        self._show("gate")
        touched = {name for batch in session.journal.state.begun.batches[: self._number] for name in batch}
        readable = (name for name, host in session.plan.hosts.items() if host.plan is not None)
        context = GateContext(
            fleet=session.fleet,
            run_id=session.run_id,
            batch=self._number,
            changed=self._pending(),
            untouched=tuple(name for name in readable if name not in touched),
            plan=session.plan,
            policy=session.policy,
            stop=session.stop,
        )
        gates = check_gates(session.rollout.gates, context)
        for gate in gates:
            session.journal.record(GateTold(at=timestamp(), batch=self._number, gate=gate))
        return gates

    def confirm(self) -> None:
        """Confirm, and ask again where the answer was lost; who cannot be confirmed is undone."""
        session = self._session
        session.visit("confirm", self._pending(), self._jobs.confirm, failed=self._jobs.not_confirmed)
        lost = self._which(lambda host: host.node == "unknown" and host.undo_at is not None)
        session.visit("confirm", lost, self._jobs.confirm, failed=self._jobs.not_confirmed)
        self._undo_failed()

    def _undo_failed(self) -> None:
        """Undo where something failed and the node may still be changed; what cannot be reached undoes itself."""
        failed = self._which(lambda host: in_doubt(host) and host.status != "changed")
        undo_hosts(self._session, failed)

    def _undo_late(self, needed: float) -> None:
        """Undo where too little time is left for soak and gates."""
        left = self._session.seconds_left(self._pending())
        for name in too_late(left, needed):
            message = (
                f"{max(left[name], 0):.0f} s were left before the node undoes itself, but soak and gates may take"
                f" {needed:g} s: make confirm_within longer or the batches smaller"
            )
            error = RunError(kind="expired", message=message)
            self._session.journal.tell(replace(self._session.host(name), status="failed", error=error))
        self._undo_failed()

    def _before(self) -> None:
        session, rollout = self._session, self._session.rollout
        waiting = self._waiting()
        if not rollout.before or not waiting:
            return
        for name, failure in self._hook(rollout.before, waiting, session.stop).items():
            if failure and not session.stop.is_set():
                error = RunError(kind="hook", message=f"the hook before the change {failure}")
                session.journal.tell(replace(session.host(name), status="failed", error=error))

    def after(self) -> None:
        """The hook after, wherever the one before may have run, and the node is at rest."""
        session, rollout = self._session, self._session.rollout
        if not rollout.after:
            return
        hooked = session.journal.state.hooked
        waiting = self._which(lambda host: host.name in hooked or host.status != "not-reached")
        ready = tuple(name for name in waiting if not in_doubt(session.host(name)))
        for name in sorted(set(waiting) - set(ready)):
            note = "the hook after the change was not run, since it is not known what became of the node"
            session.journal.tell(replace(session.host(name), notes=(*session.host(name).notes, note)))
        # A stop does not keep it from running: a drained host would stay so.
        for name, failure in self._hook(rollout.after, ready, Event()).items():
            if failure:
                host = session.host(name)
                error = host.error or RunError(kind="hook", message=f"the hook after the change {failure}")
                notes = (*host.notes, f"the hook after the change {failure}") if host.error else host.notes
                session.journal.tell(replace(host, status="failed", error=error, notes=notes))

    def _hook(self, command: tuple[str, ...], names: tuple[str, ...], stop: Event) -> Mapping[str, str]:
        session = self._session
        session.announce("hook", names)
        occasions = [Occasion(host=name, run_id=session.run_id, batch=self._number) for name in names]
        return run_hooks(
            command,
            occasions,
            timeout=session.rollout.hook_timeout,
            stop=stop,
            told=lambda occasion: session.observer.phase(occasion.host, "hook"),
        )

    def _which(self, wanted: Callable[[HostRun], bool]) -> tuple[str, ...]:
        return tuple(name for name in self._names if wanted(self._session.host(name)))

    def _waiting(self) -> tuple[str, ...]:
        return self._which(lambda host: host.status == "not-reached")

    def _pending(self) -> tuple[str, ...]:
        return self._which(waits_for_confirmation)

    def _keeps_connections(self) -> bool:
        """Whether hosts are confirmed right after they were looked at, and few enough to keep so many open."""
        rollout = self._session.rollout
        return not rollout.soak and not rollout.gates and len(self._names) <= _MOST_KEPT_OPEN

    def _too_many(self) -> str:
        return too_many_failed(self._session.hosts(self._names), self._session.rollout.max_fail_percentage)

    def _show(self, phase: Phase) -> None:
        for name in self._pending():
            self._session.observer.phase(name, phase)
