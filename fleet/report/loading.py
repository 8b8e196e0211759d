"""Results that were printed as JSON, read again: audits, rollouts and proofs back to what they tell of."""

from typing import Any

from pydantic import BaseModel

from fleet.model.finding import (
    Audit,
    Failure,
    Finding,
    HostAudit,
    NodeSummary,
    Protection,
    SettingState,
    Source,
    WriterState,
)
from fleet.model.pods import PodRemedy, PodSysctl
from fleet.model.proof import Cell, Fix, Proof, ScenarioProof
from fleet.model.rollout import BatchRun, ChangeResult, GateResult, HostRun, RunError, RunResult
from fleet.report.audit_json import AuditJson, HostJson, PodRemedyJson, SettingJson, WriterJson
from fleet.report.prove_json import CellJson, ProofJson
from fleet.report.run_json import ApplyJson, HostRunJson


def loaded_audit(document: AuditJson) -> Audit:
    """The audit that a document tells of; without facts, and without what controls are there for."""
    run = document.run
    return Audit(
        run_id=run.id,
        started=run.started,
        finished=run.finished,
        playbook=run.playbook,
        version=run.version,
        hosts={name: _host(name, host) for name, host in document.hosts.items()},
    )


def loaded_run(document: ApplyJson) -> RunResult:
    """The apply or rollback that a document tells of."""
    run = document.run
    return RunResult(
        run_id=run.id,
        kind=run.kind,
        status=run.status,
        plan_run=run.plan_run,
        playbook=run.playbook,
        version=run.version,
        started=run.started,
        finished=run.finished,
        stopped_by=run.stopped_by,
        batches=tuple(
            BatchRun(
                number=batch.number,
                hosts=tuple(batch.hosts),
                gates=tuple(GateResult(**_flat(gate)) for gate in batch.gates),
                decision=batch.decision,
                started=batch.started,
                decided=batch.decided,
            )
            for batch in document.batches
        ),
        hosts={name: _host_run(name, host) for name, host in document.hosts.items()},
    )


def loaded_proof(document: ProofJson) -> Proof:
    """The proof that a document tells of."""
    run, node = document.run, document.node
    return Proof(
        run_id=run.id,
        started=run.started,
        finished=run.finished,
        version=run.version,
        on=run.on,
        kernel=run.kernel,
        as_root=run.as_root,
        runs=run.runs,
        values_from=node.values_from,
        values=node.values,
        invalid_rule=node.invalid_rule,
        playbook=node.playbook,
        hardened=node.hardened,
        scenarios=tuple(
            ScenarioProof(
                name=name,
                title=scenario.title,
                shows=scenario.shows,
                cells=tuple(_cell(fix, cell) for fix, cell in scenario.fixes.items()),
            )
            for name, scenario in document.scenarios.items()
        ),
        notes=tuple(document.notes),
    )


def _cell(fix: Fix, cell: CellJson) -> Cell:
    told = {name: value for name, value in _flat(cell).items() if name != "holds"}
    return Cell(**{**told, "fix": fix, "promised": frozenset(cell.promised)})


def _host(name: str, host: HostJson) -> HostAudit:
    return HostAudit(
        name=name,
        status=host.status,
        error=None if host.error is None else Failure(**_flat(host.error)),
        findings=tuple(Finding(**{**_flat(finding), "settings": tuple(finding.settings)}) for finding in host.findings),
        settings=tuple(_setting(key, setting) for key, setting in host.settings.items()),
        protection=None
        if host.protection is None
        else {moment: Protection(**_flat(each)) for moment, each in host.protection.items()},
        pod_remedy=None if host.pod_remedy is None else _pod_remedy(host.pod_remedy),
        node=None if host.node is None else NodeSummary(**_flat(host.node)),
    )


def _setting(key: str, setting: SettingJson) -> SettingState:
    return SettingState(
        key=key,
        live=setting.live,
        boot=setting.boot,
        boot_source=None if setting.boot_source is None else Source(**_flat(setting.boot_source)),
        boot_note=setting.boot_note,
        overridden=tuple(Source(**_flat(line)) for line in setting.overridden),
        after_reboot=setting.after_reboot,
        writers=tuple(map(_writer, setting.writers)),
        expected=setting.expected,
        scope=setting.scope,
    )


def _writer(writer: WriterJson) -> WriterState:
    # The pieces of evidence were joined when they were written.
    evidence = (writer.evidence,) if writer.evidence else ()
    return WriterState(**{**_flat(writer), "evidence": evidence})


def _pod_remedy(remedy: PodRemedyJson) -> PodRemedy:
    unsafe = {*remedy.allowed_unsafe_sysctls}
    return PodRemedy(
        sysctls=tuple(
            PodSysctl(
                name=sysctl.name,
                value=sysctl.value,
                safe_since=remedy.safe_since.get(sysctl.name, None if sysctl.name in unsafe else ""),
            )
            for sysctl in remedy.security_context.sysctls
        )
    )


def _host_run(name: str, host: HostRunJson) -> HostRun:
    return HostRun(
        name=name,
        status=host.status,
        node=host.node,
        batch=host.batch,
        error=None if host.error is None else RunError(**_flat(host.error)),
        changes=tuple(ChangeResult(**_flat(change)) for change in host.changes),
        undo_at=host.undo_at,
        notes=tuple(host.notes),
    )


def _flat(document: BaseModel) -> dict[str, Any]:
    """The fields of a document that our own types have by the same names."""
    return dict(document)
