"""Audits made up for the tests of the reports."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fleet.model.errors import HostErrorKind
from fleet.model.finding import (
    Audit,
    Failure,
    Finding,
    FindingStatus,
    HostAudit,
    HostStatus,
    Impact,
    Moment,
    Protection,
    Scope,
    SettingState,
    Source,
    WriterState,
)
from fleet.model.pods import PodRemedy, PodSysctl

ESTABLISHED = "net.netfilter.nf_conntrack_tcp_timeout_established"
BE_LIBERAL = "net.netfilter.nf_conntrack_tcp_be_liberal"
FIN_TIMEOUT = "net.ipv4.tcp_fin_timeout"
PORT_RANGE = "net.ipv4.ip_local_port_range"

TITLES = {
    "conntrack-timeout-established": "Idle connections keep their conntrack entry for two hours and more",
    "conntrack-be-liberal": "Out-of-window segments are not dropped as INVALID",
    "conntrack-buckets": "The hash table fits the conntrack limit",
    "ipvs-timeouts": "IPVS keeps idle connections long enough",
    "port-range-nodeports": "Ephemeral ports stay clear of the NodePort range",
    "tcp-fin-timeout": "Orphaned FIN-WAIT-2 sockets are given time to close",
}

WHYS = {
    "conntrack-be-liberal": "A segment outside the window is not translated back, so the client sees an address that it"
    " never dialled and resets the connection.",
    "conntrack-timeout-established": "A connection that is idle for longer loses its entry and is reset when it speaks"
    " again.",
    "tcp-fin-timeout": "This is the life of an orphaned FIN-WAIT-2 socket, not of TIME-WAIT.",
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
        control=control,
        title=TITLES[control],
        status=status,
        impact=impact,
        reason=reason,
        why=WHYS.get(control, ""),
        settings=settings,
    )


def source(text: str) -> Source:
    """A line such as ``/etc/a.conf:3``, or ``/etc/a.conf:3 masked`` with why it does not count."""
    place, _, reason = text.partition(" ")
    path, _, line = place.rpartition(":")
    return Source(path=path, line=int(line), reason=reason)


def state(  # noqa: PLR0913 a setting has that many parts
    key: str,
    live: str | None,
    expected: str,
    scope: Scope = "host-namespace",
    *,
    boot: str | None = None,
    by: str = "",
    note: str = "",
    over: Sequence[str] = (),
    after: str | None = None,
    writers: Sequence[WriterState] = (),
) -> SettingState:
    """A setting; the kernel's value is live and stays where nothing is said about the next boot.

    Args:
        by: the line that decides at boot.
        over: lines that do not count.
        after: the value after the reboot, else the one at boot, else the live one.
    """
    return SettingState(
        key=key,
        live=live,
        boot=boot,
        boot_source=source(by) if by else None,
        boot_note=note if note or by else "no file sets it",
        overridden=tuple(map(source, over)),
        after_reboot=after or boot or live,
        writers=tuple(writers),
        expected=expected,
        scope=scope,
    )


def checked(
    name: str,
    findings: Sequence[Finding],
    settings: Sequence[SettingState] = (),
    protection: Mapping[Moment, Protection] | None = None,
) -> HostAudit:
    status: HostStatus = "findings" if any(one.status in {"fail", "error"} for one in findings) else "ok"
    return HostAudit(
        name=name, status=status, findings=tuple(findings), settings=tuple(settings), protection=protection
    )


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


def protection(
    now: str, restarted: str, rebooted: str, reason: str = "no rule and no be_liberal"
) -> dict[Moment, Protection]:
    """What guards a node at each moment; where nothing does, this is the reason."""
    moments: dict[Moment, str] = {"now": now, "after_proxy_restart": restarted, "after_reboot": rebooted}
    return {
        moment: Protection(status=status, reason=reason if status == "unprotected" else "so it is")
        for moment, status in moments.items()
    }


RULE = "protected by the INVALID rule"
LIBERAL = "protected by be_liberal"


def liberal_state(value: str) -> SettingState:
    if value == "0":
        return state(BE_LIBERAL, "0", "1")
    return state(
        BE_LIBERAL, "1", "1", boot="1", by="/etc/sysctl.d/90-reset.conf:1", over=["/usr/lib/sysctl.d/50-default.conf:7"]
    )


def node(
    name: str, *, be_liberal: str = "0", fin: str = "60", ports: str = "32768 60999", broken: bool = False
) -> HostAudit:
    """A checked node with the four controls of the sample."""
    fin_file = "/etc/sysctl.d/99-tuning.conf:4" if fin != "60" else ""
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
            liberal_state(be_liberal),
            state(FIN_TIMEOUT, fin, "at least 15", "namespace", boot=fin if fin_file else None, by=fin_file),
            state(PORT_RANGE, ports, "clear of 30000-32767", "namespace"),
        ],
    )


def k3s_writer(pid: int, value: str) -> WriterState:
    return WriterState(
        name="k3s",
        when="service start",
        value=value,
        effect=f"sets it to {value}, only where the value is another",
        evidence=(f"k3s-server runs (process {pid})", "/etc/rancher/k3s/config.yaml:5 has --x"),
        remedy='Write kube-proxy-arg+: ["conntrack-tcp-timeout-established=86400s"] into a file that sorts last in'
        " /etc/rancher/k3s/config.yaml.d/, then restart k3s.",
    )


def k3s_node(name: str, *, pid: int = 412, file: str = "/etc/sysctl.d/90-conntrack.conf") -> HostAudit:
    """A node on which k3s takes back what a file sets."""
    reason = "is 3600, expected at least 7200; the next boot leaves it so (k3s sets it to 3600)"
    failed = finding("conntrack-timeout-established", "fail", impact="high", reason=reason, settings=(ESTABLISHED,))
    kept = state(
        ESTABLISHED,
        "3600",
        "at least 7200",
        boot="86400",
        by=f"{file}:3",
        over=["/etc/sysctl.d/10-base.conf:2", "/usr/lib/sysctl.d/50-default.conf:9 masked"],
        after="3600",
        writers=[k3s_writer(pid, "3600")],
    )
    return checked(name, [failed], [kept], protection(LIBERAL, LIBERAL, RULE))


POD_REMEDY = PodRemedy(
    sysctls=(
        PodSysctl(name="net.ipv4.tcp_keepalive_time", value="600", safe_since="1.29"),
        PodSysctl(name=PORT_RANGE, value="1024 65535", safe_since=""),
        PodSysctl(name="net.core.somaxconn", value="16384", safe_since=None),
    )
)


def with_pods(host: HostAudit, remedy: PodRemedy = POD_REMEDY) -> HostAudit:
    """The same node, on which ``--pods`` has found pods that lack its values."""
    lacking = Finding(
        control="pod-values-core-somaxconn",
        title="Pods have their node's net.core.somaxconn",
        status="warn",
        impact="low",
        reason="2 of 3 sampled pods run with net.core.somaxconn 4096 (the kernel's default) while the host has 16384",
        why="A pod has its own network namespace.",
        settings=("net.core.somaxconn",),
    )
    backlog = state("net.core.somaxconn", "16384", "at least 4096", "namespace")
    return replace(host, findings=(*host.findings, lacking), settings=(*host.settings, backlog), pod_remedy=remedy)


def sample_audit() -> Audit:
    """Every status of hosts and findings, and groups of hosts that share them."""
    return audit_of(
        *(node(f"web-{number:02}") for number in range(1, 7)),
        node("web-07", be_liberal="1"),
        with_pods(node("k3s-server-1", ports="1024 65535")),
        node("k3s-agent-1", be_liberal="1", fin="5"),
        node("db-1", broken=True),
        k3s_node("k3s-agent-2"),
        k3s_node("k3s-agent-3", pid=977, file="/etc/sysctl.d/95-local.conf"),
        unchecked(
            "db-2",
            "unreachable",
            "198.18.0.12 port 22: no answer within 10 s: check the address, the firewall and that the node is up",
        ),
        unchecked("db-3", "sudo", "sudo wants a password: pass --ask-become-pass or set FLEET_BECOME_PASSWORD"),
    )
