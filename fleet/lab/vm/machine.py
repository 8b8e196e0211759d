"""What can be done to one machine of a lab."""

from fleet.lab import processes
from fleet.lab.vm.lifecycle import existing
from fleet.lab.vm.model import VmLab
from fleet.lab.vm.power import boots, switch_on, wait_until_off, wait_until_up
from fleet.lab.vm.record import machine_paths
from fleet.lab.vm.ssh import run
from fleet.model.errors import LabError

_BOOTED_WITHIN = 300.0


def power_cut(lab: VmLab, name: str) -> None:
    """Takes the power from a machine: what it has not flushed to its disk is lost.

    Raises:
        KeyError: the lab has no such machine.
        LabError: its QEMU does not end.
    """
    machine = lab.machine(name)
    _, record = existing(lab.directory.parent.parent, lab.name)
    processes.kill_all(record.token, node=machine.name)


def start(lab: VmLab, name: str, *, within: float = _BOOTED_WITHIN) -> None:
    """Boots a machine whose power is off, and returns when it is up.

    Raises:
        KeyError: the lab has no such machine.
        LabError: it does not start, or is not up in time.
    """
    machine = lab.machine(name)
    paths, record = existing(lab.directory.parent.parent, lab.name)
    before = boots(machine_paths(paths, machine))
    switch_on(paths, record, machine)
    wait_until_up(paths, record, [(machine, before)], within)


def reboot(lab: VmLab, name: str, *, within: float = _BOOTED_WITHIN) -> None:
    """Has a machine shut down in order and boots it again, and returns when it is up.

    Each boot gets a QEMU of its own: in one that has emulated a boot before, the next takes nearly twice the time.

    Raises:
        KeyError: the lab has no such machine.
        LabError: it does not take the order, or is not off, or not up again, in time.
    """
    machine = lab.machine(name)
    _, record = existing(lab.directory.parent.parent, lab.name)
    ordered = run(lab, name, "systemctl poweroff")
    # 255: sshd was faster to end than the answer.
    if ordered.returncode not in {0, 255}:
        raise LabError(f"machine {name} does not shut down: `systemctl poweroff` ended with {ordered.returncode}")
    wait_until_off(record, machine, within)
    start(lab, name, within=within)


def console(lab: VmLab, name: str) -> str:
    """What the machine has written to its serial console since it was made, not to be trusted.

    Raises:
        KeyError: the lab has no such machine.
    """
    paths, _ = existing(lab.directory.parent.parent, lab.name)
    return machine_paths(paths, lab.machine(name)).console.read_text(errors="replace")
