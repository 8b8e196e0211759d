"""What a lab needs of the machine it runs on."""

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from fleet.model.errors import LabError

_TOOLS = {
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "ip": "iproute2",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "setsid": "util-linux",
    "pivot_root": "util-linux",
    "mount": "mount",
    "umount": "mount",
    "bash": "bash",
}
_SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_CHROOT": 18, "CAP_SYS_ADMIN": 21, "CAP_MKNOD": 27}


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """Something a lab needs and this machine lacks.

    Attributes:
        name: the tool or right that is missing.
        package: what brings it on Debian and Ubuntu; None where no package does.
        cure: what to do, for an operator.
    """

    name: str
    package: str | None
    cure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What of this machine matters to a lab.

    Attributes:
        capabilities: the effective set, as a bit mask.
        filesystems: the kernel's own and those it can load.
        tools: the names of _TOOLS that were found.
    """

    uid: int
    capabilities: int
    filesystems: frozenset[str]
    tools: frozenset[str] = field(default=frozenset(_TOOLS))


def read_machine() -> Machine:
    """This machine; nothing is loaded or changed to find out."""
    status = Path("/proc/self/status").read_text()
    capabilities = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff:"))
    known = {line.split()[-1] for line in Path("/proc/filesystems").read_text().splitlines()}
    if any(Path("/lib/modules", os.uname().release).glob("kernel/fs/overlayfs/overlay.ko*")):
        known.add("overlay")
    return Machine(
        uid=os.geteuid(),
        capabilities=int(capabilities, 16),
        filesystems=frozenset(known),
        tools=frozenset(tool for tool in _TOOLS if shutil.which(tool, path=_SEARCH_PATH)),
    )


def missing_requirements(machine: Machine | None = None) -> tuple[Requirement, ...]:
    """What stands in the way of a lab, all at once; empty when nothing does.

    Args:
        machine: what to judge; this machine when None.
    """
    machine = machine or read_machine()
    missing = []
    if machine.uid != 0:
        missing.append(Requirement(name="root", package=None, cure="run it as root, for instance with sudo"))
    else:
        lacking = [name for name, bit in _CAPABILITIES.items() if not machine.capabilities >> bit & 1]
        if lacking:
            cure = "start the container with `--privileged`, or use a virtual machine"
            missing.append(Requirement(name=", ".join(lacking), package=None, cure=cure))
    if "overlay" not in machine.filesystems:
        cure = "use a kernel with overlayfs (CONFIG_OVERLAY_FS)"
        missing.append(Requirement(name="the overlay file system", package=None, cure=cure))
    missing.extend(
        Requirement(name=tool, package=package, cure=f"apt-get install {package}")
        for tool, package in _TOOLS.items()
        if tool not in machine.tools
    )
    return tuple(missing)


def require(missing: tuple[Requirement, ...]) -> None:
    """Passes when nothing is missing.

    Raises:
        LabError: names all that is missing, with its cure.
    """
    if not missing:
        return
    packages = sorted({requirement.package for requirement in missing if requirement.package})
    cures = [f"{requirement.name} ({requirement.cure})" for requirement in missing if not requirement.package]
    if packages:
        tools = ", ".join(requirement.name for requirement in missing if requirement.package)
        cures.append(f"{tools} (apt-get install {' '.join(packages)})")
    raise LabError(f"this machine cannot run a lab, it lacks {'; '.join(cures)}")


def require_root() -> None:
    """Passes for root, who alone sees the processes of a lab.

    Raises:
        LabError: the user is not root.
    """
    if os.geteuid() != 0:
        raise LabError("a lab belongs to root; run the command as root, for instance with sudo")
