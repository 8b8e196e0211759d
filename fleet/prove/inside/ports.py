"""Ephemeral ports that TIME_WAIT holds, and how long closed connections stay."""

from __future__ import annotations

import errno
import socket
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from .addresses import CLIENT
from .measuring import Measuring
from .pairs import Pair, connect, listen
from .world import SERVICE, World

# An even number of ports: of an odd one the kernel may miss the last, by where its search begins.
_FIRST, _LAST = 40000, 40049
_STATES = {"05": "FIN-WAIT-2", "06": "TIME-WAIT"}
_LONG = 20.0
EXHAUSTED, ALIVE = "exhausted", "alive"
STAYS, GONE = "stays", "gone"


def exhausted(world: World, runs: int, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Use up a small range of ports by connections that the client closes, and try more.

    Args:
        world: where.
        runs: further connections.
        parameters: ``pause``: seconds between.
    """
    world.enter(CLIENT)
    with open("/proc/sys/net/ipv4/ip_local_port_range", "w", encoding="ascii") as file:
        file.write(f"{_FIRST} {_LAST}")
    backend, _ = listen(world)
    measuring = Measuring(world, CLIENT)
    world.enter(CLIENT)
    for _ in range(_FIRST, _LAST + 1):
        if _short_connection(backend) != ALIVE:
            raise RuntimeError("a port of the fresh range is not free")
    waiting = _states().count("TIME-WAIT")
    time.sleep(parameters["pause"])
    outcomes = Counter(_short_connection(backend) for _ in range(runs))
    seen = {"client: EADDRNOTAVAIL": outcomes[EXHAUSTED]} if outcomes[EXHAUSTED] else {}
    return measuring.result(outcomes, seen, {"TIME-WAIT": f"{waiting} of {_LAST - _FIRST + 1} ports"})


def lifetime(world: World, runs: int, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Close connections at the client, and see whether they are still there some seconds later.

    Args:
        world: where.
        runs: connections.
        parameters: ``state``: ``TIME-WAIT``, or ``FIN-WAIT-2`` where the server does not close; ``pause``: seconds.
    """
    state = parameters["state"]
    backend, _ = listen(world)
    pairs = connect(world, backend, runs, dialer=CLIENT)
    measuring = Measuring(world, CLIENT)
    for pair in pairs:
        pair.client.socket.close()
        if state == "TIME-WAIT":
            _close_after_peer(pair)
    world.enter(CLIENT)
    _until_all_are(state, runs)
    time.sleep(parameters["pause"])
    left = _states().count(state)
    return measuring.result({STAYS: left, GONE: runs - left}, {}, {"after": f"{parameters['pause']} s"})


def _short_connection(backend: socket.socket) -> str:
    with socket.socket() as client:
        client.settimeout(_LONG)
        try:
            client.connect(SERVICE)
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise
            return EXHAUSTED
        server, _ = backend.accept()
    # The client has closed first, so TIME_WAIT is on its side.
    with server:
        server.settimeout(_LONG)
        server.recv(1)
    return ALIVE


def _close_after_peer(pair: Pair) -> None:
    server = pair.server.socket
    server.settimeout(_LONG)
    server.recv(1)
    server.close()


def _until_all_are(state: str, count: int) -> None:
    deadline = time.monotonic() + _LONG
    while _states().count(state) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the closed connections do not reach {state}")
        time.sleep(0.005)


def _states() -> list[str]:
    """Of connections to the Service in the present namespace."""
    address = socket.inet_aton(SERVICE[0])[::-1].hex().upper() + f":{SERVICE[1]:04X}"
    with open("/proc/thread-self/net/tcp", encoding="ascii") as file:
        rows = [line.split() for line in file][1:]
    return [_STATES.get(row[3], row[3]) for row in rows if row[2] == address]
