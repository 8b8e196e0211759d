"""The runs of a state directory as JSON, ``fleet.runs/1``."""

from collections.abc import Collection, Iterable
from typing import Literal

from pydantic import BaseModel, Field

from fleet.model.rollout import RunResult
from fleet.report.json_text import json_text
from fleet.report.run_json import ApplyRunJson, ApplySummaryJson, run_of, summary_of


class RunsEntryJson(BaseModel):
    """One run."""

    run: ApplyRunJson
    active: bool = Field(description="A controller has it now; one that is `running` and not active was cut off.")
    summary: ApplySummaryJson


class RunsJson(BaseModel):
    """The result of `fleet rollback --list`."""

    schema_: Literal["fleet.runs/1"] = Field(alias="schema")
    runs: list[RunsEntryJson] = Field(description="Newest first.")


def runs_json(runs: Iterable[RunResult], *, active: Collection[str]) -> str:
    """The JSON text of ``fleet rollback --list -f json``.

    Args:
        runs: newest first.
        active: ids of those that a controller has now.
    """
    entries = [RunsEntryJson(run=run_of(run), active=run.run_id in active, summary=summary_of(run)) for run in runs]
    return json_text(RunsJson(schema="fleet.runs/1", runs=entries))
