"""A forged segment on a live connection, where a duplicated, delayed or reordered one would be."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

from .addresses import CLIENT, NODE, SERVER
from .measuring import Measuring
from .pairs import connect, converse, fence, listen, seen
from .tcp import forge
from .world import World

_TABLES = ((NODE, "on the node"), (CLIENT, "in the client pod"), (SERVER, "in the server pod"))


def forged(world: World, runs: int, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Send one segment on each connection, and see which of them survive.

    Args:
        world: where.
        runs: connections.
        parameters: ``above`` and ``unseen`` as in `forge`; ``dialer``, the place of the clients; ``keepalive``,
            seconds, or None.
    """
    dialer = parameters["dialer"]
    backend, _ = listen(world)
    pairs = connect(world, backend, runs, dialer=dialer, keepalive=parameters["keepalive"])
    entries = ", ".join(f"{_entries(world, place)} {name}" for place, name in _TABLES)
    measuring = Measuring(world, dialer)
    raw = world.open_socket(SERVER, world.addresses.family, socket.SOCK_RAW, socket.IPPROTO_TCP)
    # Not the other address of the server, which the checksum does not tell of.
    raw.bind((world.addresses.places[SERVER], 0))
    for pair in pairs:
        segment = forge(pair.server.socket, above=parameters["above"], unseen=parameters["unseen"])
        raw.sendto(segment, (pair.server.socket.getpeername()[0], 0))
    fence(world, dialer)
    outcomes = converse(pairs, first="server")
    return measuring.result(outcomes, seen(pairs), {"conntrack entries": entries})


def _entries(world: World, place: str) -> int:
    """How many connections of all protocols a namespace tracks."""
    world.enter(place)
    with open("/proc/sys/net/netfilter/nf_conntrack_count", encoding="ascii") as file:
        return int(file.read())
