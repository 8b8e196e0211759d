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
TOO_LARGE = "nf_conntrack_max is {} here: to fill such a table would take too much of this machine's memory"


def full(world: World, runs: int, _parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Fill the node's table with entries of nobody, then dial anew; live connections have to go on.

    Args:
        world: where.
        runs: live connections, and new ones.
    """
    size = table_size(world)
    if size > MOST_ENTRIES:
        return {"skipped": TOO_LARGE.format(size)}
    backend, _ = listen(world)
    pairs = connect(world, backend, runs, dialer=CLIENT)
    world.enter(NODE)
    added = conntrack.fill()
    measuring = Measuring(world, CLIENT)
    outcomes = _dial(world, runs)
    live = converse(pairs, first="client")
    told = seen(pairs)
    if live[ALIVE] < runs:
        outcomes[RESET] += runs - live[ALIVE]
    return measuring.result(
        outcomes, told, {"entries": f"{added + runs} of {size}", "live": f"{live[ALIVE]} of {runs}"}
    )


def table_size(world: World) -> int:
    """How many entries the node may have; one number for the whole machine, counted for each namespace."""
    world.enter(NODE)
    with open("/proc/sys/net/netfilter/nf_conntrack_max", encoding="ascii") as file:
        return int(file.read())


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
