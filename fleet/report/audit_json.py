"""An audit as JSON, ``fleet.audit/1``: for scripts, so fields may be added but never change their meaning."""

from collections.abc import Iterator
from dataclasses import fields
from functools import lru_cache
from typing import Literal

from pydantic import BaseModel, Field

from fleet.model.finding import (
    Audit,
    Finding,
    FindingStatus,
    HostAudit,
    HostStatus,
    Impact,
    Moment,
    NodeSummary,
    Scope,
    SettingState,
    WriterState,
)
from fleet.model.pods import PodRemedy
from fleet.report.json_text import clean, json_pieces_of_hosts
from fleet.report.status import host_counts

# Nodes that are alike share the findings and settings that say the same.
_MOST_ALIKE = 4096


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


class SourceJson(BaseModel):
    """A line of a file on the node."""

    path: str
    line: int = Field(description="Counted from 1.")


class OverriddenJson(SourceJson):
    """A line that does not count."""

    reason: str = Field(description="Why it does not count; empty where that is not known.")


class WriterJson(BaseModel):
    """Something on the node that writes a key after the boot."""

    name: str
    when: str = Field(description="`boot`, `interface up`, `service start` or `timer`.")
    value: str | None = Field(description="What it writes; null: not known.")
    effect: str = Field(description="What it does with the key, in words.")
    evidence: str = Field(description="From what that is known: processes, files with lines, units.")
    remedy: str = Field(description="Where the value belongs instead; empty where it writes what is expected.")


class SettingJson(BaseModel):
    """One sysctl key."""

    live: str | None = Field(description="As the kernel prints it, whitespace folded to one blank; null: not read.")
    boot: str | None = Field(description="What the files leave at the next boot; null: no file sets it, or not known.")
    boot_source: SourceJson | None = Field(description="The line that decides, also where it is lost or refused.")
    boot_note: str = Field(description="Why `boot` is null, or why the deciding line has no effect; else empty.")
    overridden: list[OverriddenJson] = Field(description="Other lines for the key, which do not count.")
    after_reboot: str | None = Field(description="The value once every writer has run too; null: not known.")
    expected: str = Field(description="What the playbook accepts, in words: `1`, `at least 262144`.")
    scope: Scope = Field(description="How far the value reaches; a `namespace` value does not reach pods.")
    writers: list[WriterJson]


class ProtectionJson(BaseModel):
    """Whether something keeps INVALID segments from resetting connections, at one moment."""

    status: str = Field(
        description="`protected by be_liberal`, `protected by the INVALID rule`, `unprotected` or `unknown`."
    )
    reason: str


class PodSysctlJson(BaseModel):
    """One entry of a pod's `securityContext.sysctls`."""

    name: str
    value: str = Field(description="The node's value.")


class PodSecurityContextJson(BaseModel):
    """What belongs in the `securityContext` of a pod, as Kubernetes reads it."""

    sysctls: list[PodSysctlJson]


class PodRemedyJson(BaseModel):
    """What gives the pods of a host the values that the host has set and they run without."""

    security_context: PodSecurityContextJson
    allowed_unsafe_sysctls: list[str] = Field(description="The keys that the kubelet has to allow first.")
    safe_since: dict[str, str] = Field(
        description="Since which release of Kubernetes any pod may set a key; before, the kubelet has to allow it."
    )


class NodeJson(BaseModel):
    """Which machine it is, and how full its conntrack table was."""

    kernel: str = Field(description="The release, as `uname -r` prints it.")
    system: str = Field(description="The distribution's own name; empty where it has none.")
    cores: int
    ram_bytes: int
    kubernetes: str | None = Field(description="Which distribution of Kubernetes, or `none`; null: not known.")
    proxy_mode: str = Field(description="Of kube-proxy; `none` where there is none, or `unknown`.")
    proxy_release: str = Field(description="Of kube-proxy, as far as it is known.")
    conntrack_count: int | None = Field(description="Entries at the time of the reading; null: not read.")
    conntrack_max: int | None = Field(description="Most entries; null: not read.")
    conntrack_buckets: int | None = Field(description="Size of the hash table; null: not read.")


class HostJson(BaseModel):
    """One host."""

    status: HostStatus
    error: ErrorJson | None = Field(description="Set if the status is `failed` or `unreachable`, else null.")
    findings: list[FindingJson]
    settings: dict[str, SettingJson] = Field(description="By sysctl key, in dots.")
    protection: dict[Moment, ProtectionJson] | None = Field(description="By moment; null where nothing was judged.")
    pod_remedy: PodRemedyJson | None = Field(
        description="Set if `--pods` found pods without what the host has set, else null."
    )
    node: NodeJson | None = Field(default=None, description="null where `error` is set.")


class AuditJson(BaseModel):
    """The result of `fleet audit`."""

    schema_: Literal["fleet.audit/1"] = Field(alias="schema")
    run: RunJson
    summary: SummaryJson
    hosts: dict[str, HostJson] = Field(description="By inventory name, in the inventory's order.")


def audit_json(audit: Audit) -> Iterator[str]:
    """The JSON text of ``fleet audit -f json``, host by host."""
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
        hosts={},
    )
    return json_pieces_of_hosts(document, ((clean(name), _host(host)) for name, host in audit.hosts.items()))


def _host(host: HostAudit) -> HostJson:
    error = host.error
    return HostJson(
        status=host.status,
        error=None if error is None else ErrorJson(kind=error.kind, message=clean(error.message)),
        findings=[*map(_finding, host.findings)],
        settings={clean(state.key): _setting(state) for state in host.settings},
        protection=None
        if host.protection is None
        else {
            moment: ProtectionJson(status=clean(each.status), reason=clean(each.reason))
            for moment, each in host.protection.items()
        },
        pod_remedy=None if host.pod_remedy is None else _pod_remedy(host.pod_remedy),
        node=None if host.node is None else _node(host.node),
    )


@lru_cache(maxsize=_MOST_ALIKE)
def _finding(finding: Finding) -> FindingJson:
    return FindingJson(
        control=clean(finding.control),
        title=clean(finding.title),
        status=finding.status,
        impact=finding.impact,
        reason=clean(finding.reason),
        settings=[*map(clean, finding.settings)],
    )


def _node(node: NodeSummary) -> NodeJson:
    values = {each.name: getattr(node, each.name) for each in fields(node)}
    return NodeJson.model_validate(
        {name: clean(value) if isinstance(value, str) else value for name, value in values.items()}
    )


def _pod_remedy(remedy: PodRemedy) -> PodRemedyJson:
    entries = [PodSysctlJson(name=clean(sysctl.name), value=clean(sysctl.value)) for sysctl in remedy.sysctls]
    return PodRemedyJson(
        security_context=PodSecurityContextJson(sysctls=entries),
        allowed_unsafe_sysctls=[*map(clean, remedy.unsafe)],
        safe_since={clean(sysctl.name): clean(sysctl.safe_since) for sysctl in remedy.sysctls if sysctl.safe_since},
    )


@lru_cache(maxsize=_MOST_ALIKE)
def _setting(state: SettingState) -> SettingJson:
    return SettingJson(
        live=_value(state.live),
        boot=_value(state.boot),
        boot_source=None
        if state.boot_source is None
        else SourceJson(path=clean(state.boot_source.path), line=state.boot_source.line),
        boot_note=clean(state.boot_note),
        overridden=[
            OverriddenJson(path=clean(line.path), line=line.line, reason=clean(line.reason))
            for line in state.overridden
        ],
        after_reboot=_value(state.after_reboot),
        expected=clean(state.expected),
        scope=state.scope,
        writers=[*map(_writer, state.writers)],
    )


def _writer(writer: WriterState) -> WriterJson:
    return WriterJson(
        name=clean(writer.name),
        when=clean(writer.when),
        value=_value(writer.value),
        effect=clean(writer.effect),
        evidence=clean("; ".join(writer.evidence)),
        remedy=clean(writer.remedy),
    )


def _value(value: str | None) -> str | None:
    return None if value is None else clean(value)
