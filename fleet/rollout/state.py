"""What the events of a run come to."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from fleet.model.rollout import BatchRun, HostRun, Phase, RunError, RunResult, RunStatus
from fleet.rollout.events import (
    BatchBegun,
    Begun,
    Decided,
    Ended,
    Event,
    GateTold,
    Intent,
    Resumed,
    Told,
    read_event,
)

LOST = RunError(kind="internal", message="fleet ended before it knew what became of this host")


@dataclass(slots=True)
class RunState:
    """The events of a run so far, as a result.

    Attributes:
        decision: the last one, until another batch is begun.
        confirming: whether the present batch is being confirmed, so that all its gates are passed.
        hooked: hosts of the present batch for which a hook was begun.
        resumed: how often the run was taken up again.
        node_runs: what the run is called on each node where it was begun.
    """

    begun: Begun
    status: RunStatus = "running"
    stopped_by: str = ""
    at: str = ""
    batch: int = 0
    decision: Decided | None = None
    confirming: bool = False
    hooked: frozenset[str] = frozenset()
    resumed: int = 0
    node_runs: dict[str, str] = field(default_factory=dict)
    hosts: dict[str, HostRun] = field(default_factory=dict)
    runs: dict[int, BatchRun] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.at = self.begun.at
        self.hosts = {
            name: HostRun(name=name, status="not-reached", node="before") for name in self.begun.hosts
        } | self.hosts

    @property
    def result(self) -> RunResult:
        """What is known so far."""
        begun = self.begun
        return RunResult(
            run_id=begun.run_id,
            kind=begun.kind,
            status=self.status,
            plan_run=begun.plan_run,
            playbook=begun.playbook,
            version=begun.version,
            started=begun.at,
            finished=self.at,
            batches=tuple(self.runs.values()),
            hosts=dict(self.hosts),
            stopped_by=self.stopped_by,
        )

    def take(self, event: Event) -> None:
        """Go on by one event.

        Raises:
            ValueError: it cannot follow those before it.
        """
        self.at = event.at
        match event:
            case Begun():
                raise ValueError("a run begins once")
            case Resumed():
                self.status, self.stopped_by = "running", ""
                self.resumed += 1
            case Intent() | Told():
                self._take_host(event)
            case BatchBegun() | GateTold() | Decided():
                self._take_batch(event)
            case Ended(status=status, stopped_by=stopped_by):
                self.status, self.stopped_by = status, stopped_by

    def _take_host(self, event: Intent | Told) -> None:
        match event:
            case Intent(phase=phase, hosts=hosts):
                self.confirming = phase == "confirm" or (self.confirming and phase != "undo")
                self.hooked = self.hooked.union(hosts) if phase == "hook" else self.hooked
                if phase == "apply":
                    suffix = f".{self.resumed}" if self.resumed else ""
                    self.node_runs.update(dict.fromkeys(hosts, f"{self.begun.run_id}{suffix}"))
                for name in hosts:
                    self.hosts[name] = _in_doubt(self._host(name), phase)
            case Told(host=host):
                self._host(host.name)
                self.hosts[host.name] = host

    def _take_batch(self, event: BatchBegun | GateTold | Decided) -> None:
        match event:
            case BatchBegun(number=number, at=at):
                self._begin(number, at)
            case GateTold(batch=number, gate=gate):
                run = self._batch(number)
                self.runs[number] = replace(run, gates=(*run.gates, gate))
            case Decided(batch=number, text=text, at=at):
                self.decision = event
                self.runs[number] = replace(self._batch(number), decision=text, decided=at)

    def _begin(self, number: int, at: str) -> None:
        if not 1 <= number <= len(self.begun.batches):
            raise ValueError(f"there is no batch {number}")
        if number != self.batch:
            self.confirming, self.hooked = False, frozenset()
        self.batch, self.decision = number, None
        names = self.begun.batches[number - 1]
        self.runs[number] = BatchRun(number=number, hosts=names, started=at)
        for name in names:
            self.hosts[name] = replace(self._host(name), batch=number)

    def _batch(self, number: int) -> BatchRun:
        if number not in self.runs:
            raise ValueError(f"batch {number} was not begun")
        return self.runs[number]

    def _host(self, name: str) -> HostRun:
        if name not in self.hosts:
            raise ValueError(f"the run is not about the host {name}")
        return self.hosts[name]


def _in_doubt(host: HostRun, phase: Phase) -> HostRun:
    """A host whose answer is awaited, as it has to be told if the answer never comes."""
    if phase not in {"apply", "confirm", "undo"}:
        return host
    error = host.error or LOST
    return replace(host, status="failed" if host.error is None else host.status, node="unknown", error=error)


def replay(lines: Iterable[bytes]) -> RunState:
    """Make the state of a run from the lines of its journal.

    Raises:
        ValueError: with the number of the line that does not fit.
    """
    state: RunState | None = None
    for number, line in enumerate(lines, start=1):
        try:
            event = read_event(line)
            if state is None:
                state = RunState(_first(event))
            else:
                state.take(event)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    if state is None:
        raise ValueError("it is empty")
    return state


def _first(event: Event) -> Begun:
    if not isinstance(event, Begun):
        raise ValueError(f"the run begins with '{event.event}'")  # noqa: TRY004 it is the text that is wrong
    return event
