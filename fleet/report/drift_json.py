"""A drift check as JSON, ``fleet.drift/1``: for scripts, so fields may be added but never change their meaning."""

from typing import Literal

from pydantic import BaseModel, Field

from fleet.model.drift import DriftItem, DriftKind, DriftReport, DriftState, DriftStatus, HostDrift, Subject
from fleet.model.finding import Impact
from fleet.report.drift_status import DRIFT_STATES, drift_counts, drift_items, is_new
from fleet.report.json_text import clean, json_text


class DriftRunJson(BaseModel):
    """Which run it was."""

    id: str
    started: str = Field(description="ISO 8601, UTC.")
    finished: str = Field(description="ISO 8601, UTC.")
    playbook: str = Field(description="Path as given on the command line.")
    playbook_digest: str = Field(description="Over the bytes of the playbook and its profiles.")
    version: str = Field(description="Version of fleet.")


class DriftSummaryJson(BaseModel):
    """Hosts by status, which add up to `hosts`; and items."""

    hosts: int
    ok: int
    drift: int
    failed: int
    unreachable: int
    open: int = Field(description="Items that are open.")
    new: int = Field(description="Of these, those that this check has opened.")
    closed: int = Field(description="Items that this check has closed.")
    noted: int = Field(description="Differences that break nothing.")


class DriftErrorJson(BaseModel):
    """Why a host could not be checked."""

    kind: str
    message: str = Field(description="What happened, why, and what to do next.")


class DriftItemJson(BaseModel):
    """One difference."""

    state: DriftState = Field(
        description="`open`: it breaks the playbook, or takes back what the last confirmed run has written; `closed`: "
        "this check saw that it is gone; `noted`: it breaks nothing, and is told once."
    )
    kind: DriftKind = Field(
        description="`drift`: something outside of fleet's runs did it; `writer`: a writer that was known to write "
        "this value; `rebooted`: the restart, which left what the files say; `playbook`: what is expected has "
        "changed, and not the node; `new-node`: the node was not checked before; `reformatted`: the kernel spells the "
        "same value otherwise; `unknown`: the history could not be read."
    )
    about: Subject = Field(description="What `name` is.")
    name: str = Field(description="The control's id, the sysctl key, the file's path, or `node`.")
    impact: Impact
    reason: str
    value: str | None = Field(description="What was seen; null: there is no single value.")
    was: str | None = Field(description="What it was before; null: not known.")
    first_seen: str = Field(description="ISO 8601, UTC.")
    last_seen: str = Field(description="ISO 8601, UTC.")
    closed: str | None = Field(description="ISO 8601, UTC; null: it is open.")


class HostDriftJson(BaseModel):
    """One host."""

    status: DriftStatus
    error: DriftErrorJson | None = Field(description="Set if the status is `failed` or `unreachable`, else null.")
    items: list[DriftItemJson] = Field(description="Of a host that was not checked, those that were open before.")


class DriftJson(BaseModel):
    """The result of `fleet drift`."""

    schema_: Literal["fleet.drift/1"] = Field(alias="schema")
    run: DriftRunJson
    summary: DriftSummaryJson
    notes: list[str] = Field(description="What else the operator should know.")
    hosts: dict[str, HostDriftJson] = Field(description="By inventory name, in the inventory's order.")


def drift_json(report: DriftReport) -> str:
    """The JSON text of ``fleet drift -f json``."""
    document = DriftJson(
        schema="fleet.drift/1",
        run=run_json(report),
        summary=summary_json(report),
        notes=[*map(clean, report.notes)],
        hosts={clean(name): _host(host) for name, host in report.hosts.items()},
    )
    return json_text(document)


def run_json(report: DriftReport) -> DriftRunJson:
    """Which run a check was."""
    return DriftRunJson(
        id=report.run_id,
        started=report.started,
        finished=report.finished,
        playbook=clean(report.playbook),
        playbook_digest=report.digest,
        version=report.version,
    )


def summary_json(report: DriftReport) -> DriftSummaryJson:
    """What a check adds up to."""
    found = {state: drift_items(report, state) for state in DRIFT_STATES}
    return DriftSummaryJson(
        hosts=len(report.hosts),
        **drift_counts(report),
        **{state: len(items) for state, items in found.items()},
        new=sum(is_new(item, report) for item in found["open"]),
    )


def _host(host: HostDrift) -> HostDriftJson:
    error = host.error
    return HostDriftJson(
        status=host.status,
        error=None if error is None else DriftErrorJson(kind=error.kind, message=clean(error.message)),
        items=[*map(item_json, host.items)],
    )


def item_json(item: DriftItem) -> DriftItemJson:
    """One difference."""
    seen = item.deviation
    return DriftItemJson(
        state=item.state,
        kind=seen.kind,
        about=seen.about,
        name=clean(seen.name),
        impact=seen.impact,
        reason=clean(seen.reason),
        value=None if seen.value is None else clean(seen.value),
        was=None if seen.was is None else clean(seen.was),
        first_seen=item.first_seen,
        last_seen=item.last_seen,
        closed=item.closed,
    )
