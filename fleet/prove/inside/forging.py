"""A forged segment on a live connection, where a duplicated, delayed or reordered one would be."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

from .measuring import Measuring
from .pairs import connect, converse, fence, listen, seen
from .tcp import forge
from .world import SERVER, World


def forged(world: World, runs: int, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Send one segment on each connection, and see which of them survive.

    Args:
        world: where.
        runs: connections.
        parameters: ``above`` as in `forge`, ``dialer`` the place of the clients.
    """
    dialer = parameters["dialer"]
    backend, _ = listen(world)
    pairs = connect(world, backend, runs, dialer=dialer)
    measuring = Measuring(world, dialer)
    raw = world.open_socket(SERVER, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    for pair in pairs:
        peer = pair.server.socket.getpeername()[0]
        raw.sendto(forge(pair.server.socket, above=parameters["above"]), (peer, 0))
    fence(world, dialer)
    outcomes = converse(pairs, first="server")
    return measuring.result(outcomes, seen(pairs))
