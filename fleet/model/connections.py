"""The TCP connections of a node and of its pods, and what the node knows of them, at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from fleet.model.facts import Unavailable

SocketState = Literal["established", "fin-wait-2", "close-wait"]


class SocketAddress(NamedTuple):
    """An IP address as connection tracking prints it, and a port."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpSocket:
    """A live connection as one end has it.

    Attributes:
        keepalive: seconds until the next probe; None where the socket sends none.
        owned: whether a process still has it; a closed one only waits for its peer.
    """

    local: SocketAddress
    remote: SocketAddress
    state: SocketState
    keepalive: float | None
    owned: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedConnection:
    """An entry of connection tracking.

    Attributes:
        state: the kernel's word, such as ``ESTABLISHED``.
        expires: seconds that it has left without another packet.
        source, destination: of the first packet that was seen.
        answers_from, answers_to: of the packets the other way; where addresses were translated they are not the same.
    """

    state: str
    expires: int
    source: SocketAddress
    destination: SocketAddress
    answers_from: SocketAddress
    answers_to: SocketAddress

    @property
    def is_translated(self) -> bool:
        return (self.source, self.destination) != (self.answers_to, self.answers_from)


@dataclass(frozen=True, slots=True, kw_only=True)
class PortUse:
    """Local ports of the ephemeral range that are in use towards one destination; only where it is a quarter or more.

    Attributes:
        waiting: how many of ``used`` are in TIME_WAIT.
    """

    destination: SocketAddress
    used: int
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PodNetwork:
    """One network namespace; all texts are safe to show.

    Attributes:
        inode: which tells it from others for as long as it lives; 0 for the node's own.
        name: of its oldest process; empty for the node's own.
        pod: the pod's uid from the cgroup; empty for other namespaces.
        counters: TcpExt and Tcp counters by nstat's names.
        first_port, last_port: the ephemeral range; both 0 where it could not be read.
        reserved_ports: as the kernel prints it.
        reuses_waiting: whether tcp_tw_reuse lets a connect take a port that is in TIME_WAIT.
        listening: ports.
    """

    inode: int
    name: str
    pod: str
    counters: Mapping[str, int]
    first_port: int
    last_port: int
    reserved_ports: str
    reuses_waiting: bool
    listening: frozenset[int]
    sockets: tuple[TcpSocket, ...]
    ports: tuple[PortUse, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """What root saw.

    Attributes:
        began, ended: when it was read, in seconds since the boot.
        own: the node's own namespace.
        pods: the others that were read.
        unread: how many others were not, to stay within bounds.
        entries: those to or from an address of a namespace that was read.
        services: virtual services of IPVS.
        ipvs: those ends of connections, local and remote, that IPVS knows.
        complete: False where a bound cut off sockets or entries.
        invalid_drops: packets that each rule has dropped because they were INVALID; of rules that count.
    """

    began: float
    ended: float
    own: PodNetwork
    pods: tuple[PodNetwork, ...]
    unread: int
    entries: tuple[TrackedConnection, ...] | Unavailable
    services: frozenset[SocketAddress]
    ipvs: frozenset[tuple[SocketAddress, SocketAddress]]
    complete: bool
    invalid_drops: Mapping[str, int]
