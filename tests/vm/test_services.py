"""Services that write kernel settings when they start, as real units: what is foretold of them happens."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.plans import playbook_of
from support.vm import Planting, audited, command, harden, live, plant
from support.vm_trees import CONNTRACK_LOADED, ESTABLISHED, LIBERAL, MAX

from fleet.cli.playbook import find_playbook
from fleet.lab import vm
from fleet.model.finding import SettingState

pytestmark = pytest.mark.vm

K3S = (Path(__file__).parents[1] / "support" / "vm_k3s.sh").read_text()
# The name of the program and its arguments are those of k3s; what runs it is a shell, as no k3s can be had.
K3S_UNIT = """\
[Unit]
After=network-online.target

[Service]
Type=exec
WorkingDirectory=/opt/k3s
ExecStart=@/opt/k3s/k3s-server /usr/local/bin/k3s server
KillMode=process
Restart=always

[Install]
WantedBy=multi-user.target
"""
KUBELET_UNIT = """\
[Service]
ExecStart=/usr/bin/kubelet infinity
Restart=always

[Install]
WantedBy=multi-user.target
"""
DROP_IN = "/etc/systemd/system/kubelet.service.d"


def test_what_k3s_overrides_is_foretold_and_stopped_where_k3s_reads_it(
    lab: vm.VmLab, machine: str, tmp_path: Path, say: Callable[[str], None]
) -> None:
    files = CONNTRACK_LOADED | {
        "/opt/k3s/server": K3S,
        "/etc/systemd/system/k3s.service": K3S_UNIT,
        "/etc/rancher/k3s/config.yaml": "kube-proxy-arg:\n  - metrics-bind-address=0.0.0.0\n",
        "/etc/sysctl.d/50-own.conf": f"{MAX} = 40000\n{ESTABLISHED} = 20000\n",
    }
    plant(lab, machine, Planting(files=files))
    command(lab, machine, "cp /bin/dash /opt/k3s/k3s-server && systemctl daemon-reload && systemctl enable --now k3s")
    playbook_of(
        tmp_path,
        f"setting: {{sysctl: {MAX}}}, expect: {{equals: 200000}}, set: 200000",
        f"setting: {{sysctl: {ESTABLISHED}}}, expect: {{equals: 21600}}, set: 21600",
    )
    playbook = tmp_path / "play.yaml"
    before = _states(lab, machine, playbook)
    assert {key: before[key].boot for key in (MAX, ESTABLISHED)} == {MAX: "40000", ESTABLISHED: "20000"}
    assert {key: before[key].after_reboot for key in (MAX, ESTABLISHED)} == {MAX: "131072", ESTABLISHED: "86400"}
    assert {writer.name for key in (MAX, ESTABLISHED) for writer in before[key].writers} >= {"k3s"}
    vm.reboot(lab, machine)
    overridden = live(lab, machine, (MAX, ESTABLISHED))
    assert overridden == {MAX: "131072", ESTABLISHED: "86400"}

    harden(lab, playbook)
    assert "kube-proxy-arg+" in command(lab, machine, "cat /etc/rancher/k3s/config.yaml.d/*")
    mended = _states(lab, machine, playbook)
    assert {key: mended[key].after_reboot for key in (MAX, ESTABLISHED)} == {MAX: "200000", ESTABLISHED: "21600"}
    vm.reboot(lab, machine)
    assert command(lab, machine, "systemctl is-active k3s") == "active\n"
    remedied = live(lab, machine, (MAX, ESTABLISHED))
    assert remedied == {MAX: "200000", ESTABLISHED: "21600"}
    rows = [f"{key:52} {before[key].boot:8} {overridden[key]:20} {remedied[key]}" for key in remedied]
    say("\n".join([f"{'KEY':52} IN FILES OVERRIDDEN BY K3S    AFTER THE REMEDY AND A REBOOT", *rows]))


def test_a_drop_in_counts_at_the_next_start_and_never_keeps_the_kubelet_from_it(
    lab: vm.VmLab, machine: str, tmp_path: Path, say: Callable[[str], None]
) -> None:
    _start_kubelet(lab, machine)
    playbook_of(
        tmp_path,
        f"setting: {{sysctl: {LIBERAL}}}, expect: {{equals: 1}}, set: 1",
        "setting: {drop_in: kubelet}, expect: {exists: true}",
    )
    command(lab, machine, "modprobe nf_conntrack")
    harden(lab, tmp_path / "play.yaml")
    lines = command(lab, machine, "systemctl show kubelet -p ExecStartPre")
    assert "nf_conntrack_tcp_be_liberal" in lines
    # Somebody takes the value away; the next start of the unit brings it back.
    command(lab, machine, f"sysctl -q -w {LIBERAL}=0 && systemctl restart kubelet")
    assert command(lab, machine, f"sysctl -n {LIBERAL}") == "1\n"
    # Now the module cannot be loaded, so every command of the drop-in fails.
    command(lab, machine, "echo 'install nf_conntrack /bin/false' >/etc/modprobe.d/zz-broken.conf && sync")
    vm.reboot(lab, machine)
    assert command(lab, machine, "lsmod | grep -c nf_conntrack || true") == "0\n"
    assert command(lab, machine, "systemctl is-active kubelet; systemctl show kubelet -p NRestarts") == (
        "active\nNRestarts=0\n"
    )
    say(f"{lines.strip()}\nthe module cannot be loaded: every command fails, the kubelet is active, 0 restarts")


def test_a_kubelet_that_an_unguarded_command_will_stop_is_named_before_the_reboot_that_stops_it(
    lab: vm.VmLab, machine: str, say: Callable[[str], None]
) -> None:
    _start_kubelet(lab, machine)
    unguarded = f"[Service]\nExecStartPre=/sbin/sysctl -w {LIBERAL}=1\n"
    plant(lab, machine, Planting(files={f"{DROP_IN}/10-own.conf": unguarded}))
    command(lab, machine, "modprobe nf_conntrack && systemctl daemon-reload && systemctl restart kubelet")
    host = audited(lab, machine, find_playbook("stop-conntrack-resets"))
    (finding,) = (each for each in host.findings if each.control == "kubelet-unit-commands")
    assert (finding.status, f"{DROP_IN}/10-own.conf:2" in finding.reason) == ("fail", True)
    vm.reboot(lab, machine)
    assert command(lab, machine, "systemctl is-failed kubelet; systemctl is-system-running || true").endswith(
        "degraded\n"
    )
    say(f"{finding.reason}\nafter the reboot: kubelet failed, system degraded")


def _start_kubelet(lab: vm.VmLab, machine: str) -> None:
    unit = "cp /bin/sleep /usr/bin/kubelet && cat >/etc/systemd/system/kubelet.service && systemctl daemon-reload"
    command(lab, machine, f"{unit} && systemctl enable --now kubelet", stdin=KUBELET_UNIT.encode())


def _states(lab: vm.VmLab, machine: str, playbook: Path) -> dict[str, SettingState]:
    return {state.key: state for state in audited(lab, machine, playbook).settings}
