"""What the kernel of a node has counted, at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass

from fleet.model.facts import Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """Counters of the node's own network namespace; those of its pods are in theirs.

    Attributes:
        boot_id: changes with each boot; empty where the kernel gives none.
        uptime: seconds since the boot, when the counters were read.
        counters: TcpExt and Tcp counters by nstat's names, such as ``TcpOutRsts``.
        sockets: /proc/net/sockstat by protocol and word, such as ``sockets["TCP"]["tw"]``.
        conntrack: the columns of /proc/net/stat/nf_conntrack summed over CPUs, such as ``invalid``.
        entries: connections that are tracked.
        most: that may be tracked.
    """

    boot_id: str
    uptime: float
    counters: Mapping[str, int]
    sockets: Mapping[str, Mapping[str, int]]
    conntrack: Mapping[str, int] | Unavailable
    entries: int | Unavailable
    most: int | Unavailable
