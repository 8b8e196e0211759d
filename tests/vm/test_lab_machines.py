"""A lab of machines: up, audited, booted again, cut off, down, and nothing left of it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.cli import fleet
from support.vm import command

from fleet.lab import processes, vm
from fleet.lab.record import lab_paths
from fleet.lab.vm.record import VmRecord, load

pytestmark = pytest.mark.vm

BOOT_ID = "cat /proc/sys/kernel/random/boot_id"
KEEP = """\
import sys
from pathlib import Path
from fleet.lab import vm
with vm.running_machines(vm.VmRequest(machines=1, state_dir=Path(sys.argv[1]))):
    print("up", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize(("release", "name"), [("trixie", "Debian GNU/Linux 13"), ("bookworm", "Debian GNU/Linux 12")])
def test_a_release_comes_up_is_audited_with_sudo_and_goes_down(tmp_path: Path, release: str, name: str) -> None:
    state = tmp_path / "state"
    up = fleet("lab", "up", "--vm", "1", "--release", release, "--state-dir", state, cwd=tmp_path, within=600)
    assert up.returncode == 0, up.stderr
    record = _record(state)
    try:
        inventory = Path(up.stdout.strip())
        facts = fleet("facts", "-i", inventory, cwd=tmp_path)
        assert facts.returncode == 0, facts.stderr
        assert name in facts.stdout
        audit = fleet("audit", "stop-conntrack-resets", "-i", inventory, cwd=tmp_path)
        assert audit.returncode == 3, audit.stderr
        status = fleet("lab", "status", "--state-dir", state, cwd=tmp_path)
        assert "vm-001" in status.stdout
        assert "1 of 1 machine on" in status.stderr
    finally:
        down = fleet("lab", "down", "--state-dir", state, cwd=tmp_path)
    assert down.stderr == "lab 'default' is gone\n"
    assert processes.find(record.token) == ()
    assert list(state.iterdir()) == []


def test_a_reboot_and_a_power_cut_are_new_boots_of_the_same_machine(lab: vm.VmLab, machine: str) -> None:
    seen = [command(lab, machine, BOOT_ID)]
    identity = command(lab, machine, "cat /etc/machine-id")
    vm.reboot(lab, machine)
    seen.append(command(lab, machine, BOOT_ID))
    command(lab, machine, "echo kept >/root/flushed && sync /root/flushed && echo lost >/root/unflushed")
    vm.power_cut(lab, machine)
    (off,) = vm.status(lab.directory.parent.parent)
    assert (off.is_running, off.memory_bytes) == (False, 0)
    vm.start(lab, machine)
    seen.append(command(lab, machine, BOOT_ID))
    assert len(set(seen)) == 3
    assert command(lab, machine, "cat /etc/machine-id") == identity
    assert command(lab, machine, "cat /root/flushed; cat /root/unflushed 2>/dev/null || true") == "kept\n"
    assert "FLEET-LAB-READY" in vm.console(lab, machine)


def test_machines_end_with_the_process_that_wanted_them_even_if_it_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KEEP, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"up\n"
        record = _record(tmp_path)
        owner.send_signal(signal.SIGKILL)
    _until_gone(tmp_path, record)


def test_what_a_killed_up_left_is_removed_by_down(tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", "from fleet.cli.main import main; main()", "lab", "up", "--vm", "2"]
    with subprocess.Popen([*arguments, "--state-dir", tmp_path], start_new_session=True) as building:
        deadline = time.monotonic() + 120
        while not (record := load(lab_paths(tmp_path, "default"))) or not processes.find(record.token):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(building.pid, signal.SIGKILL)
    assert vm.down(tmp_path)
    _until_gone(tmp_path, record)


def _record(state_dir: Path) -> VmRecord:
    record = load(lab_paths(state_dir, "default"))
    assert record is not None
    return record


def _until_gone(state_dir: Path, record: VmRecord) -> None:
    deadline = time.monotonic() + 60
    while processes.find(record.token) or lab_paths(state_dir, "default").root.exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
