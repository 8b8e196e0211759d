"""Connections through the Service, seen from both ends, and whether they still carry data."""

from __future__ import annotations

import errno
import select
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence

from .addresses import SERVER
from .tcp import unacknowledged
from .world import World

ALIVE, RESET, HANGS = "alive", "reset", "hangs"
# Far above what any of this takes; only what hangs lasts so long.
PATIENCE = 3.0
_LONG = 20.0
_MOST_PROBES = 127
_QUESTION, _ANSWER = b"question", b"answer"


class End:
    """One end of a connection and what became of it: an errno's name, ``end of stream``, or nothing yet."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        self.got = b""
        self.fate = ""
        self.has_answered = False

    def send(self, data: bytes) -> None:
        try:
            self.socket.send(data)
        except OSError as error:
            self._died(error.errno)

    def look(self) -> None:
        """Take what has come, be it data or an error."""
        try:
            number = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number:
                self._died(number)
                return
            data = self.socket.recv(64)
        except BlockingIOError:
            return
        except OSError as error:
            self._died(error.errno)
            return
        self.got += data
        if not data:
            self.fate = self.fate or "end of stream"

    def _died(self, number: int | None) -> None:
        self.fate = errno.errorcode.get(number or 0, str(number))


class Pair:
    """One connection."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = End(client)
        self.server = End(server)
        self.is_half_closed = False

    def half_close(self) -> None:
        """The client has said all and waits for the answer."""
        self.client.socket.shutdown(socket.SHUT_WR)
        self.is_half_closed = True


def listen(world: World) -> tuple[socket.socket, socket.socket]:
    """A listening socket on each backend."""
    sockets = []
    for backend in world.addresses.listeners:
        listener = world.open_socket(SERVER)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.settimeout(_LONG)
        listener.bind(backend)
        listener.listen(1024)
        sockets.append(listener)
    return sockets[0], sockets[1]


def connect(
    world: World, listener: socket.socket, count: int, *, dialer: str, keepalive: int | None = None
) -> list[Pair]:
    """Connections that have carried data both ways and are quiet now.

    Args:
        world: where.
        listener: of the backend that the Service has.
        count: how many.
        dialer: the place of the clients.
        keepalive: seconds between the clients' probes; None for no probes.
    """
    pairs = []
    for _ in range(count):
        client = world.open_socket(dialer)
        client.settimeout(_LONG)
        if keepalive is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, keepalive)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, keepalive)
            # That nobody answers the probes is not what ends a connection here.
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _MOST_PROBES)
        client.connect(world.addresses.dialled)
        server = world.own(listener.accept()[0])
        server.settimeout(_LONG)
        client.sendall(b"hello")
        server.recv(64)
        server.sendall(b"hello")
        client.recv(64)
        client.setblocking(False)
        server.setblocking(False)
        pairs.append(Pair(client, server))
    settle(pairs)
    return pairs


def settle(pairs: Sequence[Pair]) -> None:
    """Wait until everything that was sent is acknowledged."""
    deadline = time.monotonic() + _LONG
    while any(unacknowledged(end.socket) for pair in pairs for end in (pair.client, pair.server)):
        if time.monotonic() > deadline:
            raise TimeoutError("a connection of the proof does not acknowledge what was sent")
        time.sleep(0.005)


def fence(world: World, dialer: str) -> None:
    """Return once everything that was sent before between server and dialer has been dealt with.

    Packets of one processor keep their order, and the proof runs on one: when a datagram is back, they are through.
    """
    family, places = world.addresses.family, world.addresses.places
    server, client = (world.open_socket(place, family, socket.SOCK_DGRAM) for place in (SERVER, dialer))
    for end, place in ((server, SERVER), (client, dialer)):
        end.settimeout(_LONG)
        end.bind((places[place], 0))
    server.sendto(b"fence", client.getsockname())
    client.recv(64)
    client.sendto(b"fence", server.getsockname())
    server.recv(64)


def converse(pairs: Sequence[Pair], *, first: str) -> Counter[str]:
    """Let one end of each connection speak and the other answer; on a half-closed one only the server speaks.

    Returns:
        How many are alive, were reset, or hang; what the ends saw stands in the pairs.
    """
    for pair in pairs:
        _speaker(pair, first).send(_QUESTION)
    _exchange(pairs, lambda pair: _fate(pair, first) != HANGS, PATIENCE)
    fates = Counter(_fate(pair, first) for pair in pairs)
    # The other end learns of a reset only when it speaks.
    broken = [pair for pair in pairs if _fate(pair, first) == RESET and not pair.is_half_closed]
    for pair in broken:
        for end in (pair.client, pair.server):
            if not end.fate:
                end.send(_QUESTION)
    _exchange(broken, lambda pair: bool(pair.client.fate and pair.server.fate), PATIENCE)
    return fates


def seen(pairs: Sequence[Pair]) -> Counter[str]:
    """What the ends were told, such as ``server: ECONNRESET``."""
    return Counter(
        f"{name}: {end.fate}"
        for pair in pairs
        for name, end in (("client", pair.client), ("server", pair.server))
        if end.fate
    )


def _speaker(pair: Pair, first: str) -> End:
    return pair.client if first == "client" else pair.server


def _fate(pair: Pair, first: str) -> str:
    speaker = _speaker(pair, first)
    if pair.client.fate or pair.server.fate:
        return RESET
    if pair.is_half_closed:
        return ALIVE if pair.client.got.startswith(_QUESTION) else HANGS
    return ALIVE if speaker.got.startswith(_ANSWER) else HANGS


def _exchange(pairs: Sequence[Pair], is_done: Callable[[Pair], bool], seconds: float) -> None:
    """Take what comes, and answer questions, until all is done or the time is up."""
    poller = select.poll()
    waiting = {}
    for pair in pairs:
        for end in (pair.client, pair.server):
            if not end.fate:
                # A half-closed connection's server has its end of stream already: only an error is news to it.
                silent = pair.is_half_closed and end is pair.server
                poller.register(end.socket, 0 if silent else select.POLLIN)
                waiting[end.socket.fileno()] = (pair, end)
    deadline = time.monotonic() + seconds
    left = {id(pair) for pair in pairs if not is_done(pair)}
    while left and (remaining := deadline - time.monotonic()) > 0:
        for handle, _ in poller.poll(remaining * 1000):
            pair, end = waiting[handle]
            end.look()
            if end.got == _QUESTION and not pair.is_half_closed and not end.has_answered:
                end.has_answered = True
                end.send(_ANSWER)
            if end.fate:
                poller.unregister(handle)
            if is_done(pair):
                left.discard(id(pair))
