"""A run that a power cut interrupts: after the boot the node is wholly old or wholly new."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.plans import playbook_of
from support.vm import applied, begin, command, confirmed, harden, planned

from fleet.lab import vm
from fleet.plan import NodePlan

pytestmark = pytest.mark.vm

TRAP = Path(__file__).parents[1] / "support" / "vm_trap.sh"
TRAPPED = ("mv", "modprobe", "systemd-run")
REACHED = "FLEET-TRAP"
OLD = (
    "setting: {module: nf_conntrack}, expect: {loaded: true}",
    "setting: {sysctl: net.netfilter.nf_conntrack_tcp_be_liberal}, expect: {equals: 1}, set: 1",
    "setting: {sysctl: net.ipv4.tcp_fin_timeout}, expect: {equals: 41}, set: 41",
)
NEW = (
    *OLD[:-1],
    "setting: {module: ip_vs}, expect: {loaded: true}",
    "setting: {sysctl: net.ipv4.tcp_fin_timeout}, expect: {equals: 42}, set: 42",
    "setting: {sysctl: net.netfilter.nf_conntrack_buckets}, expect: {equals: 16384}, set: 16384",
)
# Everything in /etc with its bytes, modes and owners; and what the kernel has of the network's values.
STATE = r"""
cd /etc && find . ! -type d -printf '%p %m %U %G %l\n' | sort
find . -type f -print0 | sort -z | xargs -0 sha256sum
sysctl -a -r '^net\.(core|ipv4|netfilter)\.' 2>/dev/null | grep -v nf_conntrack_count
"""
LEFT = r"""
find /etc /var/lib/fleet -name '.fleet-*' -o -name 'fleet-undo*' -o -name pending
systemctl list-units --plain --no-legend --state=active,activating,failed 'fleet-undo*'
"""
POINTS = {
    "before anything is written": "systemd-run fleet-undo",
    "between two files": "mv /etc/modules-load.d/fleet.conf",
    "between files and values": "modprobe ip_vs",
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[vm.VmLab]:
    """A machine that fleet has hardened before, with traps for its programs."""
    folder = tmp_path_factory.mktemp("machines")
    with vm.running_machines(vm.VmRequest(machines=1, state_dir=folder)) as built:
        (machine,) = (each.name for each in built.machines)
        command(built, machine, "mkdir /opt/trap && cat >/opt/trap/mv", stdin=TRAP.read_bytes())
        others = " ".join(TRAPPED[1:])
        command(built, machine, f"cd /opt/trap && chmod 755 mv && for name in {others}; do ln mv $name; done && sync")
        playbook_of(folder, *OLD)
        harden(built, folder / "play.yaml")
        vm.reboot(built, machine)
        yield built


@pytest.fixture(scope="module")
def old(lab: vm.VmLab) -> str:
    """The state of the machine after a boot, before any run of a test."""
    return command(lab, lab.machines[0].name, STATE)


@pytest.fixture
def changes(lab: vm.VmLab, machine: str, tmp_path: Path) -> NodePlan:
    """A plan with files new and changed, a module and values."""
    playbook_of(tmp_path, *NEW)
    plan = planned(lab, machine, tmp_path / "play.yaml")
    files = {change.before is None for change in plan.changes if change.kind == "file"}
    assert files == {True, False}
    assert {change.kind for change in plan.changes} == {"file", "module", "sysctl"}
    return plan


@pytest.mark.parametrize("point", POINTS)
def test_a_power_cut_within_a_run_leaves_the_node_wholly_old(  # noqa: PLR0913, PLR0917 - each is a fixture
    lab: vm.VmLab, machine: str, old: str, changes: NodePlan, point: str, say: Callable[[str], None]
) -> None:
    command(lab, machine, "cat >/run/trap", stdin=f"{POINTS[point]}\n".encode())
    run = f"cut-{list(POINTS).index(point)}"
    before = vm.console(lab, machine).count(REACHED)
    applying = threading.Thread(target=begin, args=(lab, machine, changes, run), kwargs={"traps": "/opt/trap"})
    applying.start()
    deadline = time.monotonic() + 60
    while vm.console(lab, machine).count(REACHED) == before:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    vm.power_cut(lab, machine)
    applying.join()
    vm.start(lab, machine)
    assert command(lab, machine, STATE) == old
    assert command(lab, machine, LEFT) == ""
    say(f"power cut {point}: wholly old, in all {len(old.splitlines())} lines of its state")


def test_a_power_cut_before_the_run_is_confirmed_leaves_the_node_wholly_old(
    lab: vm.VmLab, machine: str, old: str, changes: NodePlan, say: Callable[[str], None]
) -> None:
    assert applied(lab, machine, changes, "cut-applied").outcome == "applied"
    assert command(lab, machine, STATE) != old
    vm.power_cut(lab, machine)
    vm.start(lab, machine)
    assert command(lab, machine, STATE) == old
    assert command(lab, machine, LEFT) == ""
    say(f"power cut before the confirmation: wholly old, in all {len(old.splitlines())} lines of its state")


def test_a_power_cut_once_the_run_is_confirmed_leaves_the_node_wholly_new(
    lab: vm.VmLab, machine: str, old: str, changes: NodePlan, say: Callable[[str], None]
) -> None:
    assert applied(lab, machine, changes, "confirmed").outcome == "applied"
    assert confirmed(lab, machine, "confirmed").outcome == "confirmed"
    vm.power_cut(lab, machine)
    vm.start(lab, machine)
    new = command(lab, machine, STATE)
    assert new != old
    assert command(lab, machine, LEFT) == ""
    live = dict(line.split(" = ", 1) for line in new.splitlines() if line.startswith("net.") and " = " in line)
    assert [c.target for c in changes.changes if c.kind == "sysctl" and live[c.target] != c.after] == []
    assert "ip_vs" in command(lab, machine, "lsmod")
    say(f"power cut after the confirmation: wholly new, {len(changes.changes)} changes are there")
