"""The node forgets a connection that both ends still have."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from . import conntrack
from .measuring import Measuring
from .pairs import connect, converse, listen, seen
from .world import CLIENT, NODE, OTHER_BACKEND, SERVICE, World


def lost(world: World, runs: int, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Let the node lose its entries, and see which connections survive when one end speaks again.

    Args:
        world: where.
        runs: connections.
        parameters: ``by`` ``flush`` or ``expiry``; ``first``, who speaks; ``silence``, seconds; ``half_closed``;
            ``other_backend``: the Service has another backend when the entry is gone; ``keepalive``: seconds, or None.
    """
    backend, _ = listen(world)
    pairs = connect(world, backend, runs, dialer=CLIENT, keepalive=parameters["keepalive"])
    if parameters["half_closed"]:
        for pair in pairs:
            pair.half_close()
    measuring = Measuring(world, CLIENT)
    world.enter(NODE)
    if parameters["by"] == "flush":
        conntrack.flush()
    # Silence is what is tried here: there is nothing to wait for.
    time.sleep(parameters["silence"])
    world.enter(NODE)
    left = conntrack.entries_of(SERVICE[1])
    if parameters["other_backend"]:
        world.serve(OTHER_BACKEND)
    outcomes = converse(pairs, first=parameters["first"])
    return measuring.result(outcomes, seen(pairs), {"entries left": f"{left} of {runs}"})
