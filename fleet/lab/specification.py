"""One node of a lab before it exists: files, live values and processes."""

from dataclasses import dataclass

from fleet.lab.planted import Planted


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFile:
    """A file to stand at ``path`` of the node."""

    path: str
    content: str
    mode: int = 0o644


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedLink:
    """A symbolic link to stand at ``path`` of the node."""

    path: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedProcess:
    """A process that looks like another program and does nothing.

    Attributes:
        executable: its path on the node; the last part is what the kernel shows as the process's name.
        arguments: all of its command line, ``argv[0]`` first; without blanks.
    """

    executable: str
    arguments: tuple[str, ...]


INSTALLED_FILES = (
    PlannedFile(
        path="/usr/lib/sysctl.d/50-default.conf",
        content="-net.ipv4.conf.*.rp_filter = 2\n-net.ipv4.conf.all.rp_filter\n",
    ),
)
"""What the package systemd leaves in every node, as far as it concerns the network."""

INSTALLED_LIVE = tuple((f"net.ipv4.conf.{name}.rp_filter", "2") for name in ("default", "lo", "eth0"))
"""What a boot has made of ``INSTALLED_FILES``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSpec:
    """One node of a lab before it has an address.

    Attributes:
        name: inventory name and hostname.
        planted: none for a node as it was installed.
        files: with ``INSTALLED_FILES``.
        live: sysctl keys in dots, below ``net.``, and the values to set in the running node.
        listeners: TCP ports besides 22.
        firewall: rules as iptables-restore reads them; empty for none.
        secrets: strings in the node's files and arguments that nobody may ever be shown.
    """

    name: str
    groups: tuple[str, ...]
    planted: tuple[Planted, ...] = ()
    files: tuple[PlannedFile, ...] = ()
    links: tuple[PlannedLink, ...] = ()
    live: tuple[tuple[str, str], ...] = ()
    processes: tuple[PlannedProcess, ...] = ()
    listeners: tuple[int, ...] = ()
    firewall: str = ""
    secrets: tuple[str, ...] = ()
