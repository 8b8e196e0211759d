"""Real machines in the lab: Debian with its stock kernel under QEMU, for what needs a kernel of its own or a reboot.

Unlike the nodes in namespaces they need no root, and their root is none of this machine's.
"""

from fleet.lab.vm.lifecycle import down, is_vm_lab, status, up
from fleet.lab.vm.machine import console, power_cut, reboot, start
from fleet.lab.vm.model import LOOPBACK, MOST_MACHINES, RELEASES, Machine, MachineStatus, Release, VmLab, VmRequest
from fleet.lab.vm.requirements import missing_to_build, missing_to_run
from fleet.lab.vm.running import running_machines
from fleet.lab.vm.ssh import run, ssh_command

__all__ = [
    "LOOPBACK",
    "MOST_MACHINES",
    "RELEASES",
    "Machine",
    "MachineStatus",
    "Release",
    "VmLab",
    "VmRequest",
    "console",
    "down",
    "is_vm_lab",
    "missing_to_build",
    "missing_to_run",
    "power_cut",
    "reboot",
    "run",
    "running_machines",
    "ssh_command",
    "start",
    "status",
    "up",
]
