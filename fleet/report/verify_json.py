"""A verification as JSON, ``fleet.verify/1``."""

from typing import Literal

from pydantic import BaseModel, Field

from fleet.model.verification import TestOutcome, Verification, VerifiedTest
from fleet.report.audit_json import ErrorJson
from fleet.report.json_text import clean, json_text
from fleet.report.verify_status import outcome_counts


class VerifyRunJson(BaseModel):
    """Which run it was."""

    id: str
    started: str = Field(description="ISO 8601 in UTC.")
    finished: str = Field(description="ISO 8601 in UTC.")
    playbook: str = Field(description="As given on the command line.")
    version: str = Field(description="Of fleet.")
    independent: bool = Field(description="Whether testinfra read each setting for itself.")


class VerifySummaryJson(BaseModel):
    """How many hosts, and how many tests of each outcome."""

    hosts: int
    unchecked: int = Field(description="Hosts that could not be checked.")
    tests: int
    passed: int
    warned: int
    failed: int
    error: int
    skipped: int


class VerifiedTestJson(BaseModel):
    """One test."""

    test: str = Field(description="The control's id, or the id that pytest gives to a test of your own.")
    control: bool = Field(description="Whether it is a control of the playbook.")
    outcome: TestOutcome = Field(description="`error`: it could not be carried out. `warned` is no failure.")
    reason: str = Field(description="One sentence; empty where there is nothing to say.")
    details: list[str] = Field(description="What stands behind it, in lines.")


class VerifiedHostJson(BaseModel):
    """One host."""

    error: ErrorJson | None = Field(description="Why the host could not be checked.")
    tests: list[VerifiedTestJson]


class VerifyJson(BaseModel):
    """One run of a playbook as tests."""

    schema_: Literal["fleet.verify/1"] = Field(alias="schema")
    run: VerifyRunJson
    summary: VerifySummaryJson
    hosts: dict[str, VerifiedHostJson] = Field(description="By inventory name, in the inventory's order.")
    tests: list[VerifiedTestJson] = Field(description="Tests that are for no host.")


def verify_json(verification: Verification) -> str:
    """The JSON text of ``fleet verify -f json``."""
    counts = outcome_counts(verification)
    of_hosts: dict[str, list[VerifiedTestJson]] = {name: [] for name in ("", *verification.hosts)}
    for test in verification.tests:
        of_hosts[test.host].append(_test(test))
    document = VerifyJson(
        schema="fleet.verify/1",
        run=VerifyRunJson(
            id=verification.run_id,
            started=verification.started,
            finished=verification.finished,
            playbook=clean(verification.playbook),
            version=verification.version,
            independent=verification.independent,
        ),
        summary=VerifySummaryJson(
            hosts=len(verification.hosts),
            unchecked=sum(error is not None for error in verification.hosts.values()),
            tests=len(verification.tests),
            **{str(outcome): count for outcome, count in counts.items()},
        ),
        hosts={
            clean(name): VerifiedHostJson(
                error=ErrorJson(kind=error.kind, message=clean(error.message)) if error is not None else None,
                tests=of_hosts[name],
            )
            for name, error in verification.hosts.items()
        },
        tests=of_hosts[""],
    )
    return json_text(document)


def _test(test: VerifiedTest) -> VerifiedTestJson:
    return VerifiedTestJson(
        test=clean(test.name),
        control=test.is_control,
        outcome=test.outcome,
        reason=clean(test.reason),
        details=[*map(clean, test.details)],
    )
