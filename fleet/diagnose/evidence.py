"""What two readings of a node show together."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from fleet.kernel.ports import ephemeral_ports
from fleet.model.connections import (
    Connections,
    PodNetwork,
    PortUse,
    SocketAddress,
    TcpSocket,
    TrackedConnection,
)
from fleet.model.counters import Counters
from fleet.model.facts import NodeFacts, Reason, Unavailable

# Each stands for one RST that this namespace sends on a connection of its own:
# https://docs.kernel.org/networking/snmp_counter.html#tcp-abort
_ABORTS = ("TcpExtTCPAbortOnData", "TcpExtTCPAbortOnClose", "TcpExtTCPAbortOnLinger", "TcpExtTCPAbortOnMemory")
_GAVE_UP = "TcpExtTCPAbortOnTimeout"

FULL: Final = 0.95
"""The share of the table above which the kernel evicts: ``nf_conntrack_max95`` in net/netfilter/nf_conntrack_core.c."""

FourTuple = tuple[SocketAddress, SocketAddress]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One look at a node.

    Attributes:
        counters: of the node's own namespace.
        connections: of all of them; unavailable without root, or where that cannot be read.
    """

    counters: Counters
    connections: Connections | Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkChange:
    """One namespace in both readings."""

    before: PodNetwork
    after: PodNetwork

    @property
    def name(self) -> str:
        """In words, such as ``pod 1b4e28ba (nginx)``."""
        return network_name(self.after)

    def rose(self, counter: str) -> int:
        return rise(self.before.counters, self.after.counters, counter)

    @property
    def aborts(self) -> int:
        """RSTs by which its own applications ended their connections."""
        return sum(map(self.rose, _ABORTS))

    @property
    def strays(self) -> int:
        """RSTs with which it answered segments that belong to none of its connections."""
        return max(0, self.rose("TcpOutRsts") - self.aborts - self.rose(_GAVE_UP))

    @property
    def ended(self) -> int:
        """Its connections that were ended by somebody else's RST."""
        return max(0, self.rose("TcpEstabResets") - self.aborts - self.rose(_GAVE_UP))


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that the rules may look at."""

    facts: NodeFacts
    first: Reading
    second: Reading

    @property
    def seconds(self) -> float:
        return self.second.counters.uptime - self.first.counters.uptime

    def networks(self) -> tuple[NetworkChange, ...] | Unavailable:
        """The namespaces that both readings have, the node's own first."""
        first, second = self.first.connections, self.second.connections
        if isinstance(first, Unavailable):
            return first
        if isinstance(second, Unavailable):
            return second
        before = {network.inode: network for network in first.pods}
        pairs = [(first.own, second.own)]
        pairs += [(before[network.inode], network) for network in second.pods if network.inode in before]
        return tuple(NetworkChange(before=one, after=other) for one, other in pairs)

    def tables(self) -> tuple["Table", "Table"] | Unavailable:
        """What connection tracking knew in both readings."""
        found = []
        for reading in (self.first, self.second):
            if isinstance(reading.connections, Unavailable):
                return reading.connections
            if isinstance(reading.connections.entries, Unavailable):
                return reading.connections.entries
            if not reading.connections.complete:
                return Unavailable(Reason.IMPOSSIBLE, "the node has more connections than are read")
            found.append(Table(reading.connections.entries))
        return found[0], found[1]


class Table:
    """The entries of connection tracking by either end's view of a connection."""

    def __init__(self, entries: tuple[TrackedConnection, ...]) -> None:
        self._by_socket: dict[FourTuple, TrackedConnection] = {}
        for entry in entries:
            self._by_socket[entry.source, entry.destination] = entry
            self._by_socket[entry.answers_from, entry.answers_to] = entry
        self.translated: frozenset[SocketAddress] = frozenset(
            entry.destination for entry in entries if entry.destination != entry.answers_from
        )
        """Addresses behind which others stand, such as those of Services."""

    def of(self, socket: TcpSocket) -> TrackedConnection | None:
        """The entry by which the packets of a socket are found."""
        return self._by_socket.get((socket.local, socket.remote))


def fullness(reading: Reading) -> float:
    """How much of the table is in use, from 0 to 1."""
    entries, most = reading.counters.entries, reading.counters.most
    # A limit of 0 is none at all.
    return entries / most if isinstance(entries, int) and isinstance(most, int) and most else 0.0


def rise(before: Mapping[str, int], after: Mapping[str, int], name: str) -> int:
    """By how much a counter rose; 0 where the kernel has none of that name, or started anew."""
    return max(0, after.get(name, 0) - before.get(name, 0))


def kept_sockets(change: NetworkChange) -> Iterator[tuple[TcpSocket, TcpSocket]]:
    """The sockets that both readings have."""
    before = {(socket.local, socket.remote): socket for socket in change.before.sockets}
    for socket in change.after.sockets:
        if earlier := before.get((socket.local, socket.remote)):
            yield earlier, socket


def usable_ports(network: PodNetwork) -> int:
    """How many ports connects without a bind may take; 0 where that could not be read."""
    if not network.last_port:
        return 0
    return len(ephemeral_ports(f"{network.first_port} {network.last_port}", network.reserved_ports))


def fullest(network: PodNetwork) -> PortUse | None:
    """The destination to which most ports are in use."""
    return max(network.ports, key=lambda use: use.used, default=None)


def network_name(network: PodNetwork) -> str:
    """Which namespace it is, in words."""
    if not network.inode:
        return "the node itself"
    kind = f"pod {network.pod}" if network.pod else f"network namespace {network.inode}"
    return f"{kind} ({network.name})"
