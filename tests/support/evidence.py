"""Two readings of a node, of which a test changes what it is about."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from support.facts import node_facts

from fleet.diagnose import Evidence, Reading
from fleet.model.connections import (
    Connections,
    PodNetwork,
    PortUse,
    SocketAddress,
    SocketState,
    TcpSocket,
    TrackedConnection,
)
from fleet.model.counters import Counters
from fleet.model.facts import Unavailable

CLIENT = SocketAddress("10.0.1.2", 40000)
SERVICE = SocketAddress("10.96.0.10", 80)
SERVER = SocketAddress("10.0.2.2", 9000)
SYSCTLS = {
    "net.netfilter.nf_conntrack_tcp_be_liberal": "0",
    "net.netfilter.nf_conntrack_tcp_timeout_close": "10",
    "net.netfilter.nf_conntrack_tcp_timeout_established": "86400",
}


def tcp_socket(
    local: SocketAddress = CLIENT,
    remote: SocketAddress = SERVICE,
    state: SocketState = "established",
    *,
    keepalive: float | None = None,
    owned: bool = True,
) -> TcpSocket:
    return TcpSocket(local=local, remote=remote, state=state, keepalive=keepalive, owned=owned)


SERVER_SOCKET = tcp_socket(SERVER, CLIENT)


def tracked(
    state: str = "ESTABLISHED", *, client: SocketAddress = CLIENT, service: SocketAddress = SERVICE
) -> TrackedConnection:
    """A connection of a client through the Service."""
    return TrackedConnection(
        state=state, expires=100, source=client, destination=service, answers_from=SERVER, answers_to=client
    )


def network(
    inode: int,
    *sockets: TcpSocket,
    counters: Mapping[str, int] | None = None,
    ports: tuple[PortUse, ...] = (),
    reuses_waiting: bool = False,
) -> PodNetwork:
    return PodNetwork(
        inode=inode,
        name="app" if inode else "",
        pod="",
        counters=counters or {},
        first_port=40000,
        last_port=40099,
        reserved_ports="40000-40009",
        reuses_waiting=reuses_waiting,
        listening=frozenset({9000}) if inode else frozenset(),
        sockets=sockets,
        ports=ports,
    )


def reading(  # noqa: PLR0913 # all of them by name
    uptime: float,
    *pods: PodNetwork,
    own: PodNetwork | None = None,
    entries: tuple[TrackedConnection, ...] | Unavailable = (),
    used: int = 100,
    counters: Mapping[str, int] | None = None,
    conntrack: Mapping[str, int] | Unavailable | None = None,
    connections: Unavailable | None = None,
    **more: Any,  # noqa: ANN401 # fields of Connections
) -> Reading:
    seen = Connections(
        began=uptime,
        ended=uptime + 1,
        own=own or network(0),
        pods=pods,
        unread=0,
        entries=entries,
        services=frozenset(),
        ipvs=frozenset(),
        complete=True,
        invalid_drops={},
    )
    return Reading(
        counters=Counters(
            boot_id="boot",
            uptime=uptime,
            counters=counters or {},
            sockets={},
            conntrack={"invalid": 0, "drop": 0, "early_drop": 0} if conntrack is None else conntrack,
            entries=used,
            most=1000,
        ),
        connections=connections or replace(seen, **more),
    )


def evidence(first: Reading, second: Reading, **facts: Any) -> Evidence:  # noqa: ANN401 # fields of NodeFacts
    sysctls = facts.pop("sysctls", {})
    return Evidence(facts=node_facts(sysctls=SYSCTLS | sysctls, **facts), first=first, second=second)
