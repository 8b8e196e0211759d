"""Which resets leave a place, and from whom to whom."""

from __future__ import annotations

import socket
from collections import Counter

from .addresses import NAMES
from .tcp import RST, parse
from .world import World

_EVERY_PROTOCOL = 3
_SAW_ALL = 1 << 22
_LONGEST = 1 << 16


class Capture:
    """Listens to all interfaces of one place."""

    def __init__(self, world: World, place: str) -> None:
        self._socket = world.open_socket(place, socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_EVERY_PROTOCOL))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SAW_ALL)
        self._socket.setblocking(False)

    def resets(self) -> Counter[str]:
        """How often each ``SENDER to RECEIVER`` reset a connection since the last look."""
        found: Counter[str] = Counter()
        while True:
            try:
                packet, address = self._socket.recvfrom(_LONGEST)
            except BlockingIOError:
                return found
            segment = parse(packet)
            if address[2] == socket.PACKET_OUTGOING and segment is not None and segment.flags & RST:
                names = [NAMES.get(end, end) for end in (segment.source, segment.destination)]
                found[" to ".join(names)] += 1
