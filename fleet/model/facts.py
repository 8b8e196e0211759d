"""What one probe read from one node.

A fact that could not be read is an ``Unavailable`` with its reason, never a guess.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Reason(StrEnum):
    """Why a fact is not there."""

    NEEDS_ROOT = "needs root"
    NOT_LOADED = "module not loaded"
    NOT_INSTALLED = "tool not installed"
    ABSENT = "absent on this kernel"
    UNREADABLE = "unreadable"
    IMPOSSIBLE = "not possible here"


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A fact that could not be read; ``detail`` names the module, tool or path."""

    reason: Reason
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else str(self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class OsRelease:
    """From /etc/os-release; empty strings where the file has no such field."""

    id: str
    version_id: str
    pretty_name: str
    id_like: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which machine answered, and as whom.

    Attributes:
        kernel: the release as ``uname -r`` prints it, such as ``6.1.0-18-amd64``.
        arch: as ``uname -m`` prints it.
        cores: processors online.
        ram_bytes: MemTotal.
        uptime_seconds: since boot.
        uid: the effective user the probe ran as; 0 is root.
        init: name of process 1, such as ``systemd``.
    """

    hostname: str
    machine_id: str | Unavailable
    boot_id: str | Unavailable
    uptime_seconds: float
    os: OsRelease
    kernel: str
    arch: str
    cores: int
    ram_bytes: int
    uid: int
    init: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sysctl:
    """One key of /proc/sys, in dots.

    Attributes:
        value: as the kernel prints it, whitespace folded to one blank.
        writable: whether the user of the probe may write it; for root this tells a read-only key or mount.
    """

    key: str
    value: str | Unavailable
    writable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Conntrack:
    """The connection tracking table of the node's own network namespace.

    Attributes:
        count: entries now.
        max: most entries.
        buckets: size of the hash table.
        hashsize: the module parameter, which only root may read.
        object_bytes: size of one slab object, from /proc/slabinfo (root).
        stats: the columns of /proc/net/stat/nf_conntrack summed over CPUs, such as ``invalid`` and ``drop``.
    """

    count: int | Unavailable
    max: int | Unavailable
    buckets: int | Unavailable
    hashsize: int | Unavailable
    object_bytes: int | Unavailable
    stats: Mapping[str, int] | Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class IpvsTimeouts:
    """``ipvsadm -l --timeout``, in seconds."""

    tcp: int
    tcp_fin: int
    udp: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ipvs:
    """IPVS as far as it is loaded; ``services`` counts the virtual services of /proc/net/ip_vs."""

    timeouts: IpvsTimeouts | Unavailable
    services: int | Unavailable
    connections: int | Unavailable


NodeFileKind = Literal["file", "link", "directory", "other", "unreadable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFile:
    """One entry of a configuration tree, by absolute path.

    Attributes:
        kind: what stands at the path itself (a link is a link, wherever it leads).
        link: the link's target as written, for links.
        content: the exact bytes; for a link those of the regular file it leads to; None where there are none to
            read (a directory, a dangling link, a link to a device such as /dev/null, an unreadable file).
        note: why a readable file has no content here, such as its size; empty where there is nothing to say.
    """

    path: str
    kind: NodeFileKind
    link: str | None = None
    content: bytes | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A listening TCP socket or a bound UDP socket of the node's own network namespace."""

    protocol: Literal["tcp", "udp"]
    address: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeProcess:
    """A running process that is known to write kernel settings; secrets in its arguments are masked.

    Attributes:
        config: of kubelet, kube-proxy, k3s and RKE2: the file that it is told to read, as the node sees it; empty where
            it is told none, or where that was not to be seen.
        image: of a kube-proxy in a container of containerd or CRI-O; empty elsewhere.
    """

    pid: int
    name: str
    arguments: tuple[str, ...]
    config: str = ""
    image: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidRule:
    """A firewall rule about packets that conntrack marks INVALID, as the node prints it."""

    backend: Literal["iptables-legacy", "iptables-nft", "nft"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """Everything one probe read.

    Attributes:
        sysctls: by key in dots; every key that was asked for is there.
        counters: TcpExt and Tcp counters by nstat's names, such as ``TcpExtListenOverflows``.
        sockets: /proc/net/sockstat by protocol and word, such as ``sockets["TCP"]["tw"]``.
        modules: loaded modules; those built into the kernel are in ``builtin_modules``.
        files: configuration trees by absolute path (sysctl.d, modules-load.d, modprobe.d, unit drop-ins, TuneD's
            profiles; the configuration of k3s, RKE2, kubelet, kube-proxy, dockerd and systemd-networkd and the kernel's
            command line, with all masked that does not bear on the kernel).
        listeners: unavailable on a node without awk.
        processes: unavailable where /proc hides those of other users (hidepid) and the probe was not root.
        invalid_rules: those of IPv4 in the tables filter and mangle, and of every nftables table.
        programs: by name, the full names of those that a unit may call: sysctl, modprobe and ipvsadm.
        notes: what the probe left out to stay within its bounds, in words for the operator.
    """

    identity: Identity
    sysctls: Mapping[str, Sysctl]
    conntrack: Conntrack
    ipvs: Ipvs
    sockets: Mapping[str, Mapping[str, int]]
    counters: Mapping[str, int]
    modules: frozenset[str] | Unavailable
    builtin_modules: frozenset[str] | Unavailable
    files: Mapping[str, NodeFile]
    listeners: tuple[Listener, ...] | Unavailable
    processes: tuple[NodeProcess, ...] | Unavailable
    invalid_rules: tuple[InvalidRule, ...] | Unavailable
    tuned_profile: str | Unavailable
    ufw_enabled: bool | Unavailable
    programs: Mapping[str, str]
    notes: tuple[str, ...] = ()
