"""What the parts of a run share: the fleet, the journal, whoever is told, and the clock of each node's undo."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from threading import Event
from time import monotonic

from fleet.model.errors import UsageError
from fleet.model.rollout import HostRun, Phase, Rollout
from fleet.plan import NodePlan, Plan
from fleet.policy import HostView, Policy
from fleet.rollout.events import Decided, Intent
from fleet.rollout.journal import Journal, timestamp
from fleet.rollout.node import NodeAnswer
from fleet.rollout.request import Observer
from fleet.runner.fleet import Fleet
from fleet.transport import Connection

Job = Callable[[HostRun, Connection, HostView], HostRun]


def waits_for_confirmation(host: HostRun) -> bool:
    """Whether a host is changed as planned, and undoes that unless it is confirmed."""
    return host.node == "pending" and host.status == "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One controller at work on one run.

    Attributes:
        stop: set once the operator wants no more: nothing new is begun, and what is not confirmed is undone.
        deadlines: when each pending node undoes itself, by this machine's monotonic clock.
    """

    fleet: Fleet
    plan: Plan
    journal: Journal
    observer: Observer
    stop: Event
    who: str
    policy: Policy | None
    deadlines: dict[str, float] = field(default_factory=dict)

    @property
    def run_id(self) -> str:
        """Names the run here and on the nodes."""
        return self.journal.state.begun.run_id

    @property
    def rollout(self) -> Rollout:
        """As the plan has it."""
        return self.plan.rollout

    def host(self, name: str) -> HostRun:
        """What is known of a host."""
        return self.journal.state.hosts[name]

    def hosts(self, names: Iterable[str]) -> list[HostRun]:
        """What is known of several."""
        return [self.host(name) for name in names]

    def node_plan(self, name: str) -> NodePlan:
        """The changes of a host that has some."""
        plan = self.plan.hosts[name].plan
        if plan is None:
            raise RuntimeError(f"{name} has no plan")
        return plan

    def node_run(self, name: str) -> str:
        """What the run is called on a node: one that has undone itself is changed under another name the next time."""
        return self.journal.state.node_runs.get(name, self.run_id)

    def decide(self, decided: Decided) -> None:
        """Write down why the rollout goes on or stops, and tell it."""
        self.journal.record(decided)
        self.observer.note(f"batch {decided.batch}: {decided.text}")

    def keep_deadline(self, name: str, answer: NodeAnswer) -> None:
        """Take note of when a node undoes itself, if it said so; the node decides, this clock only saves the asking."""
        if answer.undo_in is not None:
            self.deadlines[name] = monotonic() + answer.undo_in

    def seconds_left(self, names: Iterable[str]) -> dict[str, float]:
        """How long until each host undoes itself."""
        now = monotonic()
        return {name: self.deadlines.get(name, now) - now for name in names}

    def announce(self, phase: Phase, names: Sequence[str]) -> None:
        """Write down what is about to be done to hosts."""
        if names:
            self.journal.record(Intent(at=timestamp(), phase=phase, hosts=tuple(names)))

    def visit(  # noqa: PLR0913 each says another thing about the visit
        self,
        phase: Phase,
        names: Sequence[str],
        job: Job,
        *,
        failed: Callable[[HostRun, Exception], HostRun],
        stop: Event | None = None,
        keep: bool = False,
    ) -> None:
        """Do a job at each of some hosts, and write down what came of it.

        It is done over a new connection; but a host is confirmed over that of the look at it, where it was kept.

        Args:
            job: gets the host as it was before this was announced, and says what it is now.
            failed: says it where the job could not.
            stop: once set, hosts that were not begun are left as they were.
            keep: the connections to hosts that then wait for their confirmation.
        """
        if not names:
            return
        before = {name: self.host(name) for name in names}
        told: set[str] = set()
        self.announce(phase, names)
        if phase != "confirm":
            self.fleet.hang_up(names)

        def at(view: HostView, connection: Connection) -> HostRun:
            self.observer.phase(view.name, phase)
            host = job(before[view.name], connection, view)
            self.journal.tell(host)
            told.add(view.name)
            return host

        try:
            outcomes = self.fleet.run(
                at, hosts=names, stop=stop, keep=lambda host: keep and waits_for_confirmation(host)
            )
        except UsageError as error:
            # Such as ~/.ssh/config, which read otherwise when the run began. Nothing may be left unsaid for that.
            outcomes = dict.fromkeys(names, error)
        for name in names:
            outcome = outcomes.get(name)
            if isinstance(outcome, Exception) and name not in told:
                self.journal.tell(failed(before[name], outcome))
            elif name not in outcomes:
                self.journal.tell(before[name])
