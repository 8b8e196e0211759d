"""A diagnosis as JSON, ``fleet.diagnose/1``."""

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, Field

from fleet.model.diagnosis import CauseVerdict, Diagnosis, HostDiagnosis, Place, Verdict
from fleet.report.audit_json import ErrorJson
from fleet.report.json_text import clean, json_text


class RunJson(BaseModel):
    """When it ran."""

    id: str
    started: str
    finished: str
    version: str


class VerdictJson(BaseModel):
    """One cause."""

    title: str
    verdict: Verdict
    place: Place = Field(description="Where the remedy belongs; only `node` is a problem of the node.")
    evidence: list[str]
    remedy: str = Field(description="Empty where the cause is neither confirmed nor likely.")
    sources: list[str] = Field(description="Pages that the rule comes from.")


class HostJson(BaseModel):
    """One host."""

    error: ErrorJson | None
    seconds: float = Field(description="Between the two readings.")
    notes: list[str] = Field(description="What could not be read.")
    causes: dict[str, VerdictJson]


class DiagnosisJson(BaseModel):
    """Which cause broken connections have."""

    schema_: Literal["fleet.diagnose/1"] = Field(alias="schema")
    run: RunJson
    hosts: dict[str, HostJson]
    offline: dict[str, dict[str, VerdictJson]] = Field(description="By file, what it shows.")


def diagnosis_json(diagnosis: Diagnosis) -> str:
    """The JSON text of a diagnosis."""
    return json_text(
        DiagnosisJson(
            schema="fleet.diagnose/1",
            run=RunJson(
                id=diagnosis.run_id,
                started=diagnosis.started,
                finished=diagnosis.finished,
                version=diagnosis.version,
            ),
            hosts={clean(name): _host(host) for name, host in diagnosis.hosts.items()},
            offline={clean(name): _causes(verdicts) for name, verdicts in diagnosis.offline.items()},
        )
    )


def _host(host: HostDiagnosis) -> HostJson:
    error = None if host.error is None else ErrorJson(kind=host.error.kind, message=clean(host.error.message))
    return HostJson(
        error=error,
        seconds=round(host.seconds, 2),
        notes=[*map(clean, host.notes)],
        causes=_causes(host.verdicts),
    )


def _causes(verdicts: Iterable[CauseVerdict]) -> dict[str, VerdictJson]:
    return {
        verdict.cause: VerdictJson(
            title=verdict.title,
            verdict=verdict.verdict,
            place=verdict.place,
            evidence=[*map(clean, verdict.evidence)],
            remedy=clean(verdict.remedy),
            sources=list(verdict.sources),
        )
        for verdict in verdicts
    }
