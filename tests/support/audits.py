"""Audits made up for the tests of the reports."""

from collections.abc import Sequence

from fleet.model.errors import HostErrorKind
from fleet.model.finding import (
    Audit,
    Failure,
    Finding,
    FindingStatus,
    HostAudit,
    HostStatus,
    Impact,
    Scope,
    SettingState,
)

BE_LIBERAL = "net.netfilter.nf_conntrack_tcp_be_liberal"
FIN_TIMEOUT = "net.ipv4.tcp_fin_timeout"
PORT_RANGE = "net.ipv4.ip_local_port_range"

TITLES = {
    "conntrack-be-liberal": "Out-of-window segments are not dropped as INVALID",
    "conntrack-buckets": "The hash table fits the conntrack limit",
    "ipvs-timeouts": "IPVS keeps idle connections long enough",
    "port-range-nodeports": "Ephemeral ports stay clear of the NodePort range",
    "tcp-fin-timeout": "Orphaned FIN-WAIT-2 sockets are given time to close",
}


def finding(
    control: str,
    status: FindingStatus,
    *,
    reason: str,
    impact: Impact = "medium",
    settings: tuple[str, ...] = (),
) -> Finding:
    return Finding(
        control=control, title=TITLES[control], status=status, impact=impact, reason=reason, settings=settings
    )


def state(key: str, live: str | None, expected: str, scope: Scope = "host-namespace") -> SettingState:
    return SettingState(key=key, live=live, expected=expected, scope=scope)


def checked(name: str, findings: Sequence[Finding], settings: Sequence[SettingState] = ()) -> HostAudit:
    status: HostStatus = "findings" if any(one.status in {"fail", "error"} for one in findings) else "ok"
    return HostAudit(name=name, status=status, findings=tuple(findings), settings=tuple(settings))


def unchecked(name: str, kind: HostErrorKind, message: str) -> HostAudit:
    status: HostStatus = "unreachable" if kind == "unreachable" else "failed"
    return HostAudit(name=name, status=status, error=Failure(kind=kind, message=message))


def audit_of(*hosts: HostAudit, playbook: str = "playbooks/stop-conntrack-resets.yaml") -> Audit:
    return Audit(
        run_id="20261120T120000Z-5f2a01",
        started="2026-11-20T12:00:00.000Z",
        finished="2026-11-20T12:00:02.500Z",
        playbook=playbook,
        version="0.1.0",
        hosts={host.name: host for host in hosts},
    )


def liberal(value: str) -> Finding:
    return finding(
        "conntrack-be-liberal",
        "pass" if value == "1" else "fail",
        impact="critical",
        reason=f"is {value}" if value == "1" else f"is {value}, expected 1",
        settings=(BE_LIBERAL,),
    )


def fin_timeout(value: str) -> Finding:
    return finding(
        "tcp-fin-timeout",
        "warn" if value == "5" else "pass",
        impact="low",
        reason=f"is {value}, better at least 15; pods keep their own value" if value == "5" else f"is {value}",
        settings=(FIN_TIMEOUT,),
    )


def port_range(value: str) -> Finding:
    return finding(
        "port-range-nodeports",
        "fail" if value.startswith("1024") else "pass",
        impact="high",
        reason=f"is {value}, which overlaps the NodePorts 30000-32767" if value.startswith("1024") else f"is {value}",
        settings=(PORT_RANGE,),
    )


IPVS_SKIPPED = finding("ipvs-timeouts", "skip", reason="IPVS is not in use")
HASHSIZE_UNKNOWN = finding(
    "conntrack-buckets",
    "error",
    impact="high",
    reason="cannot be judged: division by zero in {{ conntrack.max / conntrack.buckets }}",
)


def node(
    name: str, *, be_liberal: str = "0", fin: str = "60", ports: str = "32768 60999", broken: bool = False
) -> HostAudit:
    """A checked node with the four controls of the sample."""
    return checked(
        name,
        [
            liberal(be_liberal),
            fin_timeout(fin),
            port_range(ports),
            IPVS_SKIPPED,
            *([HASHSIZE_UNKNOWN] if broken else []),
        ],
        [
            state(BE_LIBERAL, be_liberal, "1"),
            state(FIN_TIMEOUT, fin, "at least 15", "namespace"),
            state(PORT_RANGE, ports, "clear of 30000-32767", "namespace"),
        ],
    )


def sample_audit() -> Audit:
    """Every status of hosts and findings, and groups of hosts that share them."""
    return audit_of(
        *(node(f"web-{number:02}") for number in range(1, 7)),
        node("web-07", be_liberal="1"),
        node("k3s-server-1", ports="1024 65535"),
        node("k3s-agent-1", be_liberal="1", fin="5"),
        node("db-1", broken=True),
        unchecked(
            "db-2",
            "unreachable",
            "198.18.0.12 port 22: no answer within 10 s: check the address, the firewall and that the node is up",
        ),
        unchecked("db-3", "sudo", "sudo wants a password: pass --ask-become-pass or set FLEET_BECOME_PASSWORD"),
    )
