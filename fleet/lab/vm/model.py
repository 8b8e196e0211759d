"""What is asked of a lab of machines, and what it is, as frozen data."""

from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Literal, get_args

Release = Literal["bookworm", "trixie"]
"""Debian 12 and 13: two generations of systemd, of procps and of the kernel."""

RELEASES: tuple[Release, ...] = get_args(Release)

Accelerator = Literal["kvm", "tcg"]

MOST_MACHINES = 64

LOOPBACK = IPv4Address("127.0.0.1")
"""Where the ports of all machines are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VmRequest:
    """Machines to start.

    Attributes:
        machines: how many, from 1 to MOST_MACHINES.
        name: tells labs under one state directory apart; lower-case letters, digits and hyphens.
        state_dir: the lab lives in ``lab/NAME`` below it.
        memory_mib: RAM of each.
        cores: processors of each.
        ready_within: seconds from the start of the first until the last is up.
    """

    machines: int
    state_dir: Path
    name: str = "default"
    release: Release = "bookworm"
    memory_mib: int = 256
    cores: int = 1
    ready_within: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One machine; ``port`` of LOOPBACK leads to its sshd."""

    name: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VmLab:
    """A lab of machines that was built.

    Attributes:
        directory: everything the lab keeps; removed by ``down``.
        inventory: a folder with hosts.yaml, groups.yaml and defaults.yaml for nornir's SimpleInventory.
        known_hosts: the machines' host keys by port.
        identity_file: the private key that root and ``ops`` of every machine accept.
        image: the cached image that all disks are based on.
    """

    name: str
    directory: Path
    machines: tuple[Machine, ...]
    inventory: Path
    known_hosts: Path
    identity_file: Path
    release: Release
    accelerator: Accelerator
    image: Path

    def machine(self, name: str) -> Machine:
        """The machine of that name.

        Raises:
            KeyError: the lab has no such machine.
        """
        for machine in self.machines:
            if machine.name == name:
                return machine
        raise KeyError(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineStatus:
    """One machine as it is now.

    Attributes:
        boots: how many times it has come up since it was made.
        memory_bytes: proportional share (PSS) of its QEMU; 0 while its power is off.
    """

    machine: Machine
    is_running: bool
    boots: int
    memory_bytes: int
