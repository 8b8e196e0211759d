"""An apply or a rollback as JSON, ``fleet.apply/1``: for scripts, so fields may be added but never change meaning."""

from typing import Literal

from pydantic import BaseModel, Field

from fleet.model.rollout import (
    ChangeStatus,
    HostRun,
    HostRunStatus,
    NodeState,
    RunKind,
    RunResult,
    RunStatus,
)
from fleet.report.json_text import clean, json_text
from fleet.report.run_status import run_counts


class ApplyRunJson(BaseModel):
    """Which run it was, and how it ended."""

    id: str = Field(description="Names the run on the controller and on the nodes.")
    kind: RunKind
    status: RunStatus = Field(
        description="`done`: went through, though single hosts may have failed; `stopped`: with nothing to take back; "
        "`undone`: stopped, and taken back what was not confirmed, and earlier batches if the playbook says so; "
        "`interrupted`; `running`: not finished."
    )
    stopped_by: str = Field(description="Why it did not go to its end; empty where it did.")
    plan_run: str = Field(description="The run that made the plan, or that is rolled back.")
    started: str = Field(description="ISO 8601, UTC.")
    finished: str = Field(description="ISO 8601, UTC.")
    playbook: str = Field(description="Path as given on the command line.")
    version: str = Field(description="Version of fleet.")


class ApplySummaryJson(BaseModel):
    """Hosts by status; the six add up to `hosts`."""

    hosts: int
    changed: int
    noop: int
    undone: int
    failed: int
    unreachable: int
    not_reached: int


class GateResultJson(BaseModel):
    """What a gate said."""

    kind: str
    passed: bool
    detail: str = Field(description="The evidence, in one line.")


class BatchRunJson(BaseModel):
    """One batch."""

    number: int = Field(description="Counted from 1.")
    hosts: list[str]
    gates: list[GateResultJson]
    decision: str = Field(description="Why the rollout went on or stopped.")
    started: str = Field(default="", description="ISO 8601, UTC; empty: not known.")
    decided: str = Field(default="", description="When it was decided how to go on: ISO 8601, UTC; empty: not known.")


class RunErrorJson(BaseModel):
    """Why a host failed."""

    kind: str = Field(
        description="`unreachable`, `auth`, `host-key`, `sudo`, `timeout`, `protocol`, `stale`, `locked`, `space`, "
        "`read-only`, `refused`, `altered`, `verify`, `gate`, `hook`, `moved`, `expired` or `internal`."
    )
    message: str = Field(description="What happened, why, and what to do next.")


class ChangeResultJson(BaseModel):
    """What became of one change."""

    kind: str
    target: str
    status: ChangeStatus
    reason: str = Field(description="Why nothing was done, or why it failed; empty where it was changed.")
    read_back: str | None = Field(description="The live value that was read after writing; null: none was.")


class HostRunJson(BaseModel):
    """What became of one host."""

    status: HostRunStatus
    node: NodeState = Field(
        description="How the node is now: as `before` the changes; as `after` them, confirmed; `pending`: changed and "
        "not confirmed, so it will undo itself; `unknown`: it could not be asked."
    )
    batch: int | None = Field(description="The number of its batch; null: it was in none.")
    error: RunErrorJson | None
    changes: list[ChangeResultJson]
    undo_at: str | None = Field(description="When a pending node undoes itself: ISO 8601, UTC.")
    notes: list[str] = Field(description="What else the operator should know.")


class ApplyJson(BaseModel):
    """The result of `fleet apply` or `fleet rollback`."""

    schema_: Literal["fleet.apply/1"] = Field(alias="schema")
    run: ApplyRunJson
    summary: ApplySummaryJson
    batches: list[BatchRunJson]
    hosts: dict[str, HostRunJson] = Field(description="By inventory name, in the inventory's order.")


def run_json(result: RunResult) -> str:
    """The JSON text of ``fleet apply -f json`` and ``fleet rollback -f json``."""
    document = ApplyJson(
        schema="fleet.apply/1",
        run=run_of(result),
        summary=summary_of(result),
        batches=[
            BatchRunJson(
                number=batch.number,
                hosts=[*map(clean, batch.hosts)],
                gates=[
                    GateResultJson(kind=clean(gate.kind), passed=gate.passed, detail=clean(gate.detail))
                    for gate in batch.gates
                ],
                decision=clean(batch.decision),
                started=clean(batch.started),
                decided=clean(batch.decided),
            )
            for batch in result.batches
        ],
        hosts={clean(name): _host(host) for name, host in result.hosts.items()},
    )
    return json_text(document)


def run_of(result: RunResult) -> ApplyRunJson:
    """Which run it was."""
    return ApplyRunJson(
        id=clean(result.run_id),
        kind=result.kind,
        status=result.status,
        stopped_by=clean(result.stopped_by),
        plan_run=clean(result.plan_run),
        started=clean(result.started),
        finished=clean(result.finished),
        playbook=clean(result.playbook),
        version=clean(result.version),
    )


def summary_of(result: RunResult) -> ApplySummaryJson:
    """Its hosts by status."""
    counts = {status.replace("-", "_"): count for status, count in run_counts(result).items()}
    return ApplySummaryJson(hosts=len(result.hosts), **counts)


def _host(host: HostRun) -> HostRunJson:
    error = host.error
    return HostRunJson(
        status=host.status,
        node=host.node,
        batch=host.batch,
        error=None if error is None else RunErrorJson(kind=clean(error.kind), message=clean(error.message)),
        changes=[
            ChangeResultJson(
                kind=clean(change.kind),
                target=clean(change.target),
                status=change.status,
                reason=clean(change.reason),
                read_back=None if change.read_back is None else clean(change.read_back),
            )
            for change in host.changes
        ],
        undo_at=None if host.undo_at is None else clean(host.undo_at),
        notes=[*map(clean, host.notes)],
    )
