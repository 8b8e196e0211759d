"""Runs of the history as JSON, ``fleet.history/1``: fields may be added but never change their meaning."""

import json
from collections.abc import Iterable, Mapping
from typing import Literal, get_args

from pydantic import BaseModel, Field, JsonValue

from fleet.model.history import HistoryEntry, HistoryHost, HistoryKind, HistoryPart, HistoryRun, HistoryStatus
from fleet.report.json_text import clean, json_text


class HistoryRunJson(BaseModel):
    """One run: who, from where, against what, and how it ended."""

    id: str
    kind: HistoryKind
    status: HistoryStatus = Field(
        description="`unfinished`: no end was recorded: it was killed, or still runs on another machine; `running`: it "
        "still runs on this machine; `failed`: it ended with an error."
    )
    who: str
    machine: str = Field(description="The controller.")
    directory: str = Field(description="Where it was started.")
    playbook: str = Field(description="Path as given on the command line.")
    playbook_digest: str = Field(description="Over the bytes of the playbook and its profiles.")
    version: str = Field(description="Version of fleet.")
    started: str = Field(description="ISO 8601, UTC.")
    finished: str | None = Field(description="ISO 8601, UTC; null: no end was recorded.")
    exit_code: int | None
    message: str = Field(description="Why it failed; empty where it did not.")
    hosts: dict[str, int] = Field(description="Hosts by status, as the run's own result has it.")
    findings: int = Field(description="Controls or tests that are not met, or open drift, over all hosts.")
    changes: int = Field(description="Things that were changed, or that would be, over all hosts.")


class HistoryHostJson(BaseModel):
    """One host of a run."""

    status: str
    error: str = Field(description="Why it failed; empty where it did not.")
    findings: int
    changes: int


class HistoryWholeJson(HistoryRunJson):
    """One run with all that is known of it."""

    by_host: dict[str, HistoryHostJson] = Field(description="By inventory name, in the inventory's order.")
    result: JsonValue = Field(description="As the command printed it with `-f json`; null: there is none.")
    audit: JsonValue = Field(description="`fleet.audit/1`: what a drift check has seen; null for other commands.")
    plan: JsonValue = Field(description="`fleet.plan/1`: what an apply has carried out; null for other commands.")


class HistoryJson(BaseModel):
    """The result of `fleet history` and of `fleet history show`; of an export, each line is one of `runs`."""

    schema_: Literal["fleet.history/1"] = Field(alias="schema")
    runs: list[HistoryWholeJson | HistoryRunJson] = Field(description="Newest first.")


def history_json(entries: Iterable[HistoryEntry]) -> str:
    """The JSON text of ``fleet history -f json``."""
    runs: list[HistoryWholeJson | HistoryRunJson] = [HistoryRunJson.model_validate(_fields(each)) for each in entries]
    return json_text(HistoryJson(schema="fleet.history/1", runs=runs))


def history_run_json(run: HistoryRun) -> str:
    """The JSON text of ``fleet history show RUN -f json``."""
    return json_text(HistoryJson(schema="fleet.history/1", runs=[_whole(run)]))


def history_line(run: HistoryRun) -> str:
    """A run as one line of an export."""
    text = _whole(run).model_dump_json(ensure_ascii=True)
    return text.replace("\x7f", "\\u007f") + "\n"


def _whole(run: HistoryRun) -> HistoryWholeJson:
    by_host = {clean(host.name): _host(host) for host in run.hosts}
    parts = {name: json.loads(run.parts[name]) if name in run.parts else None for name in get_args(HistoryPart)}
    return HistoryWholeJson.model_validate({**_fields(run.entry), "by_host": by_host, **parts})


def _host(host: HistoryHost) -> HistoryHostJson:
    return HistoryHostJson(
        status=clean(host.status), error=clean(host.error), findings=host.findings, changes=host.changes
    )


def _fields(entry: HistoryEntry) -> Mapping[str, object]:
    begin = entry.begin
    return {
        "id": clean(begin.run_id),
        "kind": begin.kind,
        "status": entry.status,
        "who": clean(begin.who),
        "machine": clean(begin.machine),
        "directory": clean(begin.directory),
        "playbook": clean(begin.playbook),
        "playbook_digest": clean(begin.digest),
        "version": clean(begin.version),
        "started": begin.started,
        "finished": entry.finished,
        "exit_code": entry.exit_code,
        "message": clean(entry.message),
        "hosts": dict(entry.counts),
        "findings": entry.findings,
        "changes": entry.changes,
    }
