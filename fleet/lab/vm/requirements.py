"""What machines need of the machine they run on."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from fleet.lab.requirements import Requirement
from fleet.lab.vm.qemu import PROGRAM

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_TO_RUN = {PROGRAM: "qemu-system-x86", "qemu-img": "qemu-utils", "ssh": "openssh-client"}
_TO_BUILD = {"mmdebstrap": "mmdebstrap", "mke2fs": "e2fsprogs", "dpkg-deb": "dpkg", "tar": "tar"}
_TO_BUILD_AS_USER = {"unshare": "util-linux", "newuidmap": "uidmap"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What of this machine matters to the machines of a lab.

    Attributes:
        architecture: as ``uname -m`` prints it.
        tools: the programs that were found.
    """

    architecture: str
    is_root: bool
    tools: frozenset[str]


def read_host() -> Host:
    """This machine."""
    tools = {*_TO_RUN, *_TO_BUILD, *_TO_BUILD_AS_USER}
    return Host(
        architecture=os.uname().machine,
        is_root=os.geteuid() == 0,
        tools=frozenset(tool for tool in tools if shutil.which(tool, path=SEARCH_PATH)),
    )


def missing_to_run(host: Host | None = None) -> tuple[Requirement, ...]:
    """What stands in the way of starting machines; empty when nothing does.

    Args:
        host: what to judge; this machine when None.
    """
    host = host or read_host()
    missing = _missing(host, _TO_RUN)
    if host.architecture != "x86_64":
        cure = "use one with an x86_64 processor: the images are for that"
        missing = (Requirement(name=f"an x86_64 processor instead of {host.architecture}", package=None, cure=cure),)
    return missing


def missing_to_build(host: Host | None = None) -> tuple[Requirement, ...]:
    """What stands in the way of building an image; empty when nothing does.

    Args:
        host: what to judge; this machine when None.
    """
    host = host or read_host()
    return _missing(host, _TO_BUILD if host.is_root else _TO_BUILD | _TO_BUILD_AS_USER)


def _missing(host: Host, tools: Mapping[str, str]) -> tuple[Requirement, ...]:
    return tuple(
        Requirement(name=tool, package=package, cure=f"apt-get install {package}")
        for tool, package in tools.items()
        if tool not in host.tools
    )
