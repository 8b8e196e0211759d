"""A connection tracking table that is full."""

from __future__ import annotations

import select
import socket
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from . import conntrack
from .addresses import CLIENT, NODE
from .measuring import Measuring
from .pairs import ALIVE, PATIENCE, RESET, connect, converse, listen, seen
from .world import SERVICE, World

DROPPED = "dropped"
# An entry takes 256 to 320 bytes of the machine's memory: 160 to 200 MB in all.
MOST_ENTRIES = 1 << 19
_TOO_LARGE = "nf_conntrack_max is {} here: to fill such a table would take too much of this machine's memory"


def full(world: World, runs: int, _parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Fill the node's table with entries of nobody, then dial anew; live connections have to go on.

    Args:
        world: where.
        runs: live connections, and new ones.
    """
    if why := too_large(world):
        return {"skipped": why}
    backend, _ = listen(world)
    pairs = connect(world, backend, runs, dialer=CLIENT)
    world.enter(NODE)
    conntrack.fill()
    entries = f"{conntrack.count()} of {conntrack.limit()}"
    measuring = Measuring(world, CLIENT)
    outcomes = _dial(world, runs)
    live = converse(pairs, first="client")
    told = seen(pairs)
    if live[ALIVE] < runs:
        outcomes[RESET] += runs - live[ALIVE]
    return measuring.result(outcomes, told, {"entries": entries, "live": f"{live[ALIVE]} of {runs}"})


def too_large(world: World) -> str:
    """Why the node's table is not to be filled; an empty text where it is."""
    world.enter(NODE)
    size = conntrack.limit()
    return "" if 0 < size <= MOST_ENTRIES else _TOO_LARGE.format(size or "0 (no limit)")


def _dial(world: World, count: int) -> Counter[str]:
    """Start them all at once, because each may take as long as patience lasts."""
    poller = select.poll()
    waiting = {}
    for _ in range(count):
        client = world.open_socket(CLIENT)
        client.setblocking(False)
        client.connect_ex(SERVICE)
        poller.register(client, select.POLLOUT)
        waiting[client.fileno()] = client
    outcomes: Counter[str] = Counter()
    deadline = time.monotonic() + PATIENCE
    while waiting and (remaining := deadline - time.monotonic()) > 0:
        for handle, _ in poller.poll(remaining * 1000):
            poller.unregister(handle)
            outcomes[RESET if waiting.pop(handle).getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) else ALIVE] += 1
    outcomes[DROPPED] = len(waiting)
    return +outcomes
