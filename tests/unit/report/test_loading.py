"""What was printed as JSON is read again as what it was."""

from dataclasses import replace

from hypothesis import given
from support.audits import audit_of, checked, sample_audit
from support.facts import node_facts
from support.hostile import audits
from support.proofs import cell, proof
from support.runs import sample_run

from fleet.kernel.summary import summarise
from fleet.model.finding import Audit, HostAudit, SettingState
from fleet.report.audit_json import AuditJson, audit_json
from fleet.report.loading import loaded_audit, loaded_proof, loaded_run
from fleet.report.prove_json import ProofJson, proof_json
from fleet.report.run_json import ApplyJson, run_json


def as_told(audit: Audit) -> Audit:
    """The audit as far as its JSON tells it."""
    return replace(audit, hosts={name: host_as_told(host) for name, host in audit.hosts.items()})


def host_as_told(host: HostAudit) -> HostAudit:
    return replace(
        host,
        findings=tuple(replace(finding, why="") for finding in host.findings),
        settings=tuple(map(setting_as_told, host.settings)),
        facts=None,
    )


def setting_as_told(state: SettingState) -> SettingState:
    source = state.boot_source and replace(state.boot_source, reason="")
    writers = tuple(
        replace(writer, evidence=("; ".join(writer.evidence),) if writer.evidence else ()) for writer in state.writers
    )
    return replace(state, boot_source=source, writers=writers)


def test_a_proof_comes_back_as_it_was() -> None:
    whole = proof(
        replace(cell(reset=5), notes={"entries left": "0 of 5"}, refused={"node net.x": "Invalid argument"}),
        replace(cell("be-liberal", "alive"), skipped="too large", resets={}),
        values={"net.ipv4.tcp_fin_timeout": "60"},
        on="k3s-1",
        values_from="k3s-1",
        notes=("A note.",),
    )
    assert loaded_proof(ProofJson.model_validate_json(proof_json(whole))) == whole


def test_an_audit_comes_back_as_its_json_tells_it() -> None:
    told = replace(checked("node-1", []), facts=node_facts(), node=summarise(node_facts()))
    audit = replace(sample_audit(), hosts={**sample_audit().hosts, "node-1": told})
    assert loaded_audit(AuditJson.model_validate_json("".join(audit_json(audit)))) == as_told(audit)


def test_a_run_comes_back_whole() -> None:
    run = sample_run()
    timed = replace(run.batches[0], started="2026-11-20T12:15:00.100Z", decided="2026-11-20T12:15:09.000Z")
    run = replace(run, batches=(timed, *run.batches[1:]))
    assert loaded_run(ApplyJson.model_validate_json(run_json(run))) == run


def test_results_of_versions_that_told_less_are_read() -> None:
    text = "".join(audit_json(audit_of(checked("node-1", []))))
    older = text.replace(',\n      "node": null', "")
    assert older != text
    assert loaded_audit(AuditJson.model_validate_json(older)).hosts["node-1"].node is None


@given(audits)
def test_any_audit_is_read_again_as_the_same_json(audit: Audit) -> None:
    text = "".join(audit_json(audit))
    assert "".join(audit_json(loaded_audit(AuditJson.model_validate_json(text)))) == text
