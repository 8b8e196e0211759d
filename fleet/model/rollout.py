"""How a plan is brought onto a fleet: in batches, behind gates, with an undo that is armed until all is well."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

UndoScope = Literal["batch", "all"]
Place = Literal["controller", "node"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyGate:
    """The playbook is held against every changed host once more: a control that the plan was to mend must pass."""

    kind: Literal["verify"] = "verify"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandGate:
    """A command that must end with 0.

    Attributes:
        command: arguments, run without a shell; ``{host}`` and ``{run}`` stand for the host and the run.
        on: ``controller``: once a host here, in the operator's environment; ``node``: on the host, as root.
        timeout: seconds.
    """

    command: tuple[str, ...]
    on: Place = "controller"
    timeout: float = 30.0
    kind: Literal["command"] = "command"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusGate:
    """A query whose every sample must be as expected; no sample at all fails the gate.

    Attributes:
        url: of the server, without the path of the API. Basic credentials or a token come from the environment only.
        query: PromQL.
        expect: a comparison such as ``< 0.01``.
        timeout: seconds.
    """

    url: str
    query: str
    expect: str
    timeout: float = 10.0
    kind: Literal["prometheus"] = "prometheus"


@dataclass(frozen=True, slots=True, kw_only=True)
class RatesGate:
    """Resets sent, segments sent again and INVALID packets of changed hosts, against untouched ones at the same time.

    Attributes:
        window: seconds between the two readings.
        at_most: how many times the untouched hosts' median rate a changed host may have.
        floor: events a second that are never held against a host.
        sample: untouched hosts that are read, at most.
    """

    window: float = 30.0
    at_most: float = 3.0
    floor: float = 5.0
    sample: int = 10
    kind: Literal["rates"] = "rates"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProveGate:
    """Connections through a node with a changed host's values must survive a segment above the window.

    Attributes:
        on: ``controller``: on this machine's kernel; ``node``: on each changed host's own.
        timeout: seconds for all changed hosts.
    """

    on: Place = "controller"
    timeout: float = 60.0
    kind: Literal["prove"] = "prove"


Gate = VerifyGate | CommandGate | PrometheusGate | RatesGate | ProveGate


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When changes may be made.

    Attributes:
        days: 0 is Monday; the day on which the window opens.
        opens: minutes after midnight.
        closes: minutes after midnight; at or before ``opens`` means the next day.
        zone: an IANA name such as ``Europe/Berlin``.
        text: as the playbook has it.
    """

    days: tuple[int, ...]
    opens: int
    closes: int
    zone: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """The ``rollout`` section of a playbook. Times are seconds.

    Attributes:
        serial: sizes of the batches, hosts or per cent of all hosts such as ``"10%"``; the last one is repeated. Empty:
            one batch. The first batch is the canary.
        max_fail_percentage: of a batch's hosts, unreachable ones included; more stop the rollout.
        soak: after a batch is verified and before its gates.
        pause: between batches.
        confirm_within: from the arming of the undo on a node; a node that is not confirmed by then undoes itself.
        undo: what a stop takes back: the batch in which it happened, or all batches of the run.
        restart: services that are restarted on a node where a file they read was changed.
        before: a command on the controller before a host is changed, such as ``kubectl drain {host}``; empty: none.
        after: a command on the controller once a host is confirmed or undone; empty: none.
        hook_timeout: for each of both.
    """

    serial: tuple[int | str, ...] = ()
    max_fail_percentage: float = 0.0
    soak: float = 0.0
    pause: float = 0.0
    confirm_within: float = 120.0
    undo: UndoScope = "batch"
    restart: tuple[str, ...] = ()
    gates: tuple[Gate, ...] = ()
    windows: tuple[Window, ...] = ()
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    hook_timeout: float = 300.0


ChangeStatus = Literal["changed", "noop", "failed", "undone"]
NodeState = Literal["before", "after", "pending", "unknown"]
HostRunStatus = Literal["changed", "noop", "failed", "unreachable", "undone", "not-reached"]
Phase = Literal["hook", "check", "apply", "verify", "soak", "gate", "confirm", "undo"]
RunStatus = Literal["running", "done", "stopped", "undone", "interrupted"]
RunKind = Literal["apply", "rollback"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeResult:
    """What became of one change.

    Attributes:
        reason: why nothing was done, or why it failed; empty where it was changed.
        read_back: the live value that was read after writing, as the kernel prints it.
    """

    kind: str
    target: str
    status: ChangeStatus
    reason: str = ""
    read_back: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunError:
    """Why a host failed.

    Attributes:
        kind: that of a `fleet.model.errors.HostError`, or ``stale``, ``locked``, ``space``, ``read-only``, ``refused``,
            ``altered``, ``verify``, ``gate``, ``hook``, ``moved``, ``expired``, ``internal``.
    """

    kind: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRun:
    """What became of one host.

    Attributes:
        batch: its number, from 1; None where it was in no batch.
        node: how the node is now: as ``before`` the run; as ``after`` it, confirmed; ``pending``: changed and not
            confirmed, so it will undo itself; ``unknown``: it could not be asked.
        undo_at: when a pending node undoes itself, ISO 8601 in UTC.
        notes: what else the operator should know, one sentence each.
    """

    name: str
    status: HostRunStatus
    node: NodeState
    batch: int | None = None
    error: RunError | None = None
    changes: tuple[ChangeResult, ...] = ()
    undo_at: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """What a gate said about a batch; ``detail`` is evidence in one line."""

    kind: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRun:
    """One batch: its hosts, its gates, and why the rollout went on or stopped.

    Attributes:
        started: ISO 8601 in UTC, as is ``decided``; empty where that is not known.
        decided: when it was decided how to go on.
    """

    number: int
    hosts: tuple[str, ...]
    gates: tuple[GateResult, ...] = ()
    decision: str = ""
    started: str = ""
    decided: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """One apply or rollback.

    Attributes:
        run_id: names the run on the controller and on the nodes.
        plan_run: the run that made the plan, or that is rolled back.
        started: ISO 8601 in UTC, as is ``finished``.
        stopped_by: why it did not go to its end; empty where it did.
    """

    run_id: str
    kind: RunKind
    status: RunStatus
    plan_run: str
    playbook: str
    version: str
    started: str
    finished: str
    batches: tuple[BatchRun, ...]
    hosts: Mapping[str, HostRun] = field(default_factory=dict)
    stopped_by: str = ""
