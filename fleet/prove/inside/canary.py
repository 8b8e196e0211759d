"""A server and a client in pods of a cluster: the server forges a segment above the window, and the client tells.

``python3 -m inside.canary server PORT`` and ``python3 -m inside.canary client HOST PORT``, over IPv4. The client prints
a line of JSON for each round of connections. As in the namespaces the segment is one of a live connection, and what
it does depends only on the nodes between both pods.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from . import counters
from .tcp import forge, unacknowledged

# As in the scenario above-window: far above any window.
ABOVE = 1 << 30
_CONNECTIONS = 5
# A reset and the segment that causes it need a round trip each; between rounds others have the network.
_ON_THE_WAY, _BETWEEN_ROUNDS = 1.0, 10.0
_PATIENCE = 5.0
_HELLO, _QUESTION, _ANSWER = b"hello", b"question", b"answer"
_BROKEN = {errno.ECONNRESET, errno.EPIPE}
_IGNORED = "TcpExtBeyondWindow"
_ARGUMENTS = {"server": 1, "client": 2}


def serve(port: int) -> None:
    """Answer every connection, after a forged segment on it."""
    with socket.socket() as listener, socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("", port))
        listener.listen(64)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_answer, args=(connection, raw), daemon=True).start()


def try_often(host: str, port: int) -> None:
    """Connect for ever, and tell after each round what became of the connections."""
    while True:
        sys.stdout.write(json.dumps(one_round(host, port)) + "\n")
        sys.stdout.flush()
        time.sleep(_BETWEEN_ROUNDS)


def one_round(host: str, port: int) -> dict[str, Any]:
    """What became of some connections, on which node, and which counters of this pod moved."""
    before = counters.read()
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        outcomes = Counter(pool.map(lambda _: _outcome(host, port), range(_CONNECTIONS)))
    after = counters.read()
    moved = counters.moved(before, after)
    came_through = moved.get(_IGNORED, 0) > 0 if _IGNORED in after else None
    return {
        "node": os.environ.get("NODE_NAME", ""),
        "kernel": os.uname().release,
        "outcomes": dict(outcomes),
        "verdict": verdict(outcomes, came_through=came_through),
        "counters": moved,
    }


def verdict(outcomes: Counter[str], *, came_through: bool | None) -> str:
    """The outcomes of a round in words.

    Args:
        outcomes: of all connections.
        came_through: whether TCP of this pod has seen the segment; None where its kernel does not count that.
    """
    if outcomes["reset"]:
        return "not protected: a segment above the window resets connections between this node and the server's"
    if outcomes["alive"] < _CONNECTIONS:
        return "cannot tell: see whether the server runs and whether a network policy is in the way"
    if came_through is None:
        return "protected: the segment resets nothing"
    if came_through:
        return "protected: the segment came through and TCP ignored it, as with be_liberal"
    return "protected: the segment did not come through, as with the INVALID rule"


def _answer(connection: socket.socket, raw: socket.socket) -> None:
    peer, _ = connection.getpeername()
    try:
        with connection:
            connection.settimeout(60)
            # A probe of the kubelet says nothing.
            if connection.recv(64) != _HELLO:
                return
            connection.sendall(_HELLO)
            deadline = time.monotonic() + _PATIENCE
            while unacknowledged(connection) and time.monotonic() < deadline:
                time.sleep(0.005)
            raw.sendto(forge(connection, above=ABOVE), (peer, 0))
            while connection.recv(64):
                connection.sendall(_ANSWER)
    except PermissionError:
        _complain("the server needs the capabilities NET_ADMIN and NET_RAW")
        os._exit(1)
    except OSError as error:
        _complain(f"{peer}: {errno.errorcode.get(error.errno or 0, 'silent')}")


def _outcome(host: str, port: int) -> str:
    try:
        connection = socket.create_connection((host, port), timeout=_PATIENCE)
    except OSError as error:
        return f"no connection: {error}"
    with connection:
        try:
            connection.sendall(_HELLO)
            connection.recv(64)
            time.sleep(_ON_THE_WAY)
            connection.sendall(_QUESTION)
            return "alive" if connection.recv(64) == _ANSWER else "reset"
        except OSError as error:
            return "reset" if error.errno in _BROKEN else "hangs"


def _complain(text: str) -> None:
    sys.stderr.write(text + "\n")


def main() -> None:
    """Play one part until SIGTERM, which process 1 of a container would not feel otherwise."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    part, *rest = sys.argv[1:] or [""]
    if len(rest) != _ARGUMENTS.get(part):
        sys.exit("usage: python3 -m inside.canary server PORT | client HOST PORT")
    if part == "server":
        serve(int(rest[0]))
    else:
        try_often(rest[0], int(rest[1]))


if __name__ == "__main__":
    main()
