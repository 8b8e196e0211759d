"""A default node is hardened, verified, booted again and verified again: conntrack, TCP, ports, IPVS."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.plans import playbook_of
from support.vm import audited, command, harden

from fleet.lab import vm
from fleet.model.finding import HostAudit

pytestmark = pytest.mark.vm

TIMEOUTS = {"tcp_timeout": "7440", "tcp_fin_timeout": "130", "udp_timeout": "310"}
CONTROLS = (
    "setting: {module: nf_conntrack}, expect: {loaded: true}",
    "setting: {module: ip_vs}, expect: {loaded: true}",
    "setting: {module: br_netfilter}, expect: {loaded: true}",
    *(f"setting: {{ipvs: {name}}}, expect: {{equals: {value}}}, set: {value}" for name, value in TIMEOUTS.items()),
    "setting: {sysctl: net.ipv4.vs.conntrack}, expect: {equals: 1}, set: 1",
    "setting: {sysctl: net.ipv4.vs.expire_nodest_conn}, expect: {equals: 1}, set: 1",
    "setting: {sysctl: net.netfilter.nf_conntrack_udp_timeout}, expect: {equals: 45}, set: 45",
    "setting: {sysctl: net.ipv4.ip_local_port_range}, expect: {equals: 36000 60999}, set: 36000 60999",
    "setting: {sysctl: net.ipv4.ip_local_reserved_ports}, expect: {covers: '36443'}, set: '36443'",
    "setting: {sysctl: net.netfilter.nf_conntrack_tcp_timeout_established}, expect: {equals: 86400}, set: 86400",
)
PROFILES = "profiles: [conntrack, tcp, ports, kubelet]\n"


def test_a_hardened_node_is_after_its_reboot_what_was_predicted(
    lab: vm.VmLab, machine: str, tmp_path: Path, say: Callable[[str], None]
) -> None:
    playbook_of(tmp_path, *CONTROLS, more=PROFILES)
    playbook = tmp_path / "play.yaml"
    # Conntrack is there on every node of a cluster; the machine's own modules-load.d does not name it.
    command(lab, machine, "modprobe -a nf_conntrack ip_vs")
    harden(lab, playbook)
    before = audited(lab, machine, playbook)
    assert _failed(before) == []
    predicted = {state.key: state.after_reboot for state in before.settings}
    assert [key for key, value in predicted.items() if value is None and key.startswith("net.netfilter")] == []

    vm.reboot(lab, machine)
    after = audited(lab, machine, playbook)
    assert _failed(after) == []
    live = {state.key: state.live for state in after.settings}
    rows = [f"{key:52} {value!s:24} {live[key]}" for key, value in predicted.items()]
    say("\n".join([f"{'KEY':52} {'PREDICTED':24} AFTER THE REBOOT", *rows]))
    assert {key: live[key] for key, value in predicted.items() if value is not None} == {
        key: value for key, value in predicted.items() if value is not None
    }
    assert "7440 130 310" in command(lab, machine, "ipvsadm -l --timeout")
    assert command(lab, machine, "systemctl is-system-running") == "running\n"
    verify = "systemd-analyze verify --man=no fleet-ipvs-timeouts.service && systemd-analyze cat-config sysctl.d"
    assert "net.netfilter.nf_conntrack_tcp_be_liberal = 1" in command(lab, machine, verify)


def _failed(host: HostAudit) -> list[tuple[str, str]]:
    return [(finding.control, finding.reason) for finding in host.findings if finding.status in {"fail", "error"}]
