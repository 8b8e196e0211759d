"""A default node is hardened, verified, booted again and verified again: conntrack, TCP, ports, IPVS."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.ansible import ANSIBLE, sysctl_check
from support.cli import fleet
from support.plans import playbook_of
from support.vm import audited, command, harden, live

from fleet.kernel.values import equal
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
FILE = "/etc/sysctl.d/90-fleet.conf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardened:
    """A machine that was hardened, and then booted again.

    Attributes:
        before: what fleet said between the two.
        live: the values after the boot.
    """

    lab: vm.VmLab
    machine: str
    playbook: Path
    before: HostAudit
    live: dict[str, str]

    @property
    def predicted(self) -> dict[str, str]:
        return {state.key: state.after_reboot for state in self.before.settings if state.after_reboot is not None}

    @property
    def written(self) -> list[str]:
        """The keys in fleet's file."""
        lines = command(self.lab, self.machine, f"cat {FILE}").splitlines()
        return [line.partition("=")[0].strip() for line in lines if re.match(r"[a-z]", line)]


@pytest.fixture(scope="module")
def hardened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hardened]:
    folder = tmp_path_factory.mktemp("machines")
    playbook_of(folder, *CONTROLS, more=PROFILES)
    playbook = folder / "play.yaml"
    with vm.running_machines(vm.VmRequest(machines=1, state_dir=folder)) as lab:
        machine = lab.machines[0].name
        # Conntrack is there on every node of a cluster; the machine's own modules-load.d does not name it.
        command(lab, machine, "modprobe -a nf_conntrack ip_vs")
        harden(lab, playbook)
        before = audited(lab, machine, playbook)
        vm.reboot(lab, machine)
        after = live(lab, machine, [state.key for state in before.settings])
        yield Hardened(lab=lab, machine=machine, playbook=playbook, before=before, live=after)


def test_a_hardened_node_is_after_its_reboot_what_was_predicted(hardened: Hardened, say: Callable[[str], None]) -> None:
    assert _failed(hardened.before) == []
    predicted = hardened.predicted
    rows = [f"{key:52} {value:24} {hardened.live[key]}" for key, value in predicted.items()]
    say("\n".join([f"{'KEY':52} {'PREDICTED':24} AFTER THE REBOOT", *rows]))
    assert set(hardened.written) <= set(predicted)
    assert [key for key in predicted if not equal(key, predicted[key], hardened.live[key])] == []
    verified = fleet("verify", hardened.playbook, "-i", hardened.lab.inventory, cwd=hardened.lab.directory)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert command(hardened.lab, hardened.machine, "systemctl is-system-running") == "running\n"


def test_ipvs_keeps_its_timeouts_through_its_unit(hardened: Hardened, say: Callable[[str], None]) -> None:
    unit = "systemctl is-active fleet-ipvs-timeouts.service"
    read = f"{unit}; ipvsadm -l --timeout; sysctl net.ipv4.vs.expire_nodest_conn"
    said = command(hardened.lab, hardened.machine, read)
    say(f"{read}\n{said}")
    assert said == ("active\nTimeout (tcp tcpfin udp): 7440 130 310\nnet.ipv4.vs.expire_nodest_conn = 1\n")


def test_systemd_reads_what_fleet_wrote(hardened: Hardened, say: Callable[[str], None]) -> None:
    units = "systemd-analyze verify --man=no fleet-ipvs-timeouts.service"
    read = command(hardened.lab, hardened.machine, f"{units} && systemd-analyze cat-config sysctl.d")
    # The later line wins.
    lines = re.findall(r"^-?([a-z][\w./-]*) *= *(.*)$", read, flags=re.MULTILINE)
    last = {key.replace("/", "."): value for key, value in lines}
    differing = [key for key in hardened.written if not equal(key, hardened.predicted[key], last[key])]
    say(f"systemd-analyze cat-config: {len(hardened.written)} keys of {FILE}, {len(differing)} not as predicted")
    assert differing == []


@pytest.mark.skipif(
    not ANSIBLE.exists() and not os.environ.get("CI"),
    reason="needs ansible-playbook: `sh tools/setup.sh second-opinions .venv` brings it",
)
def test_ansible_has_nothing_to_change(hardened: Hardened, tmp_path: Path, say: Callable[[str], None]) -> None:
    expected = {key: hardened.predicted[key] for key in hardened.written}
    # Of a value that is not there it has to say so, or what it says of the others would be worth nothing.
    values = [*expected.items(), ("net.ipv4.tcp_fin_timeout", "7")]
    said = sysctl_check(hardened.lab, hardened.machine, values, FILE, tmp_path)
    rows = [
        f"{key:52} {value:24} {'changed' if changed else 'ok'}"
        for (key, value), changed in zip(values, said, strict=True)
    ]
    say("\n".join([f"{'KEY':52} {'VALUE':24} ANSIBLE.POSIX.SYSCTL --CHECK", *rows]))
    assert said == [False] * len(expected) + [True]


def _failed(host: HostAudit) -> list[tuple[str, str]]:
    return [(finding.control, finding.reason) for finding in host.findings if finding.status in {"fail", "error"}]
