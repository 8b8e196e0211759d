"""An audit as JSON, ``fleet.audit/1``: for scripts, so fields may be added but never change their meaning."""

from typing import Literal

from pydantic import BaseModel, Field

from fleet.model.finding import Audit, FindingStatus, HostAudit, HostStatus, Impact, Scope
from fleet.report.json_text import clean, json_text
from fleet.report.status import host_counts


class RunJson(BaseModel):
    """Which run it was."""

    id: str
    started: str = Field(description="ISO 8601, UTC.")
    finished: str = Field(description="ISO 8601, UTC.")
    playbook: str = Field(description="Path as given on the command line.")
    version: str = Field(description="Version of fleet.")


class SummaryJson(BaseModel):
    """Hosts by status; the four add up to `hosts`."""

    hosts: int
    ok: int
    findings: int
    failed: int
    unreachable: int


class ErrorJson(BaseModel):
    """Why a host could not be checked."""

    kind: Literal["unreachable", "auth", "host-key", "sudo", "timeout", "protocol", "internal"]
    message: str = Field(description="What happened, why, and what to do next.")


class FindingJson(BaseModel):
    """The verdict of one control."""

    control: str
    title: str
    status: FindingStatus
    impact: Impact
    reason: str = Field(description="What was seen and what is expected, or why the control was skipped.")
    settings: list[str] = Field(description="The sysctl keys it is about: keys of the host's `settings`.")


class SettingJson(BaseModel):
    """One sysctl key."""

    live: str | None = Field(description="As the kernel prints it, whitespace folded to one blank; null: not read.")
    expected: str = Field(description="What the playbook accepts, in words: `1`, `at least 262144`.")
    scope: Scope = Field(description="How far the value reaches; a `namespace` value does not reach pods.")


class HostJson(BaseModel):
    """One host."""

    status: HostStatus
    error: ErrorJson | None = Field(description="Set if the status is `failed` or `unreachable`, else null.")
    findings: list[FindingJson]
    settings: dict[str, SettingJson] = Field(description="By sysctl key, in dots.")


class AuditJson(BaseModel):
    """The result of `fleet audit`."""

    schema_: Literal["fleet.audit/1"] = Field(alias="schema")
    run: RunJson
    summary: SummaryJson
    hosts: dict[str, HostJson] = Field(description="By inventory name, in the inventory's order.")


def audit_json(audit: Audit) -> str:
    """The JSON text of ``fleet audit -f json``."""
    document = AuditJson(
        schema="fleet.audit/1",
        run=RunJson(
            id=audit.run_id,
            started=audit.started,
            finished=audit.finished,
            playbook=clean(audit.playbook),
            version=audit.version,
        ),
        summary=SummaryJson(hosts=len(audit.hosts), **host_counts(audit)),
        hosts={clean(name): _host(host) for name, host in audit.hosts.items()},
    )
    return json_text(document)


def _host(host: HostAudit) -> HostJson:
    error = host.error
    return HostJson(
        status=host.status,
        error=None if error is None else ErrorJson(kind=error.kind, message=clean(error.message)),
        findings=[
            FindingJson(
                control=clean(finding.control),
                title=clean(finding.title),
                status=finding.status,
                impact=finding.impact,
                reason=clean(finding.reason),
                settings=[*map(clean, finding.settings)],
            )
            for finding in host.findings
        ],
        settings={
            clean(state.key): SettingJson(
                live=None if state.live is None else clean(state.live),
                expected=clean(state.expected),
                scope=state.scope,
            )
            for state in host.settings
        },
    )
