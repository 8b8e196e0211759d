"""The node forgets a connection that both ends still have."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from . import conntrack
from .addresses import CLIENT, NODE
from .filling import too_large
from .measuring import Measuring
from .pairs import Pair, connect, converse, listen, seen
from .world import OTHER_BACKEND, SERVICE, World

# The kernel looks through the whole table about once a minute.
_EVICTED_WITHIN = 150.0


def lost(world: World, runs: int, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Let the node lose its entries, and see which connections survive when one end speaks again.

    Args:
        world: where.
        runs: connections.
        parameters: ``by`` ``flush``, ``expiry`` or ``eviction``; ``first``, who speaks; ``silence``, seconds;
            ``half_closed``; ``other_backend``: the Service has another one when the entry is gone; ``keepalive``:
            seconds, or None.
    """
    backend, _ = listen(world)
    pairs = connect(world, backend, runs, dialer=CLIENT, keepalive=parameters["keepalive"])
    if parameters["half_closed"]:
        for pair in pairs:
            pair.half_close()
    if parameters["other_backend"]:
        # Connections that the node knows keep theirs.
        world.serve(OTHER_BACKEND)
    measuring = Measuring(world, CLIENT)
    world.enter(NODE)
    if parameters["by"] == "flush":
        for pair in pairs:
            conntrack.forget(pair.client.socket.getsockname(), SERVICE)
    elif parameters["by"] == "eviction":
        if why := too_large(world):
            return {"skipped": why}
        if left := _evict(world, pairs):
            return {"skipped": f"the kernel has not evicted {left} of {runs} entries within {_EVICTED_WITHIN:.0f} s"}
    # Silence is what is tried here: there is nothing to wait for.
    time.sleep(parameters["silence"])
    left = _entries(world, pairs)
    outcomes = converse(pairs, first=parameters["first"])
    return measuring.result(outcomes, seen(pairs), {"entries left": f"{left} of {runs}"})


def _entries(world: World, pairs: Sequence[Pair]) -> int:
    """How many of the connections the node still knows."""
    world.enter(NODE)
    return sum(conntrack.knows(pair.client.socket.getsockname(), SERVICE) for pair in pairs)


def _evict(world: World, pairs: Sequence[Pair]) -> int:
    """Keep the table full until the kernel has thrown out the half-closed ones; returns how many are left.

    gc_worker does so where the table is more than 95 per cent full:
    https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/net/netfilter/nf_conntrack_core.c
    """
    deadline = time.monotonic() + _EVICTED_WITHIN
    tried = 0
    while (left := _entries(world, pairs)) and time.monotonic() < deadline:
        tried = conntrack.fill(tried)
        time.sleep(0.5)
    # The burst is over: what is tried is the lost entry, and not that a full table takes no new one.
    conntrack.flush()
    return left
