"""Captures TCP segments as tcpdump does, on a node that has none: ``listening.py SECONDS MOST tcp [and ...]``.

It needs nothing but Python, and writes a pcap file to stdout. No interface is made promiscuous.
"""

from __future__ import annotations

import select
import socket
import struct
import sys
import time
from collections.abc import Sequence

_EVERY_PROTOCOL = 3
_RAW = 101
_KEPT = 108
"""Bytes of a packet: the headers of IPv6 and TCP with all options, and a little more."""
_BUFFER = 1 << 22
_BUFFER_AT_ANY_RATE, _STATISTICS, _PACKET_LEVEL = 33, 6, 263
_TIMES = 35
_TIME = struct.Struct("@ll")
_IPV4, _IPV6 = 4, 6
_SHORTEST = 40


class Filter:
    """What is wanted: ``tcp and host 10.0.0.1 and port 80``."""

    def __init__(self, words: Sequence[str]) -> None:
        terms = [term.split() for term in " ".join(words).split(" and ")]
        self._ports = [int(term[1]) for term in terms if term[0] == "port"]
        self._hosts = [
            socket.inet_pton(socket.AF_INET6 if ":" in term[1] else socket.AF_INET, term[1])
            for term in terms
            if term[0] == "host"
        ]

    def wants(self, packet: bytes) -> bool:
        """Whether it is a TCP segment from or to all of them."""
        version = packet[0] >> 4 if len(packet) >= _SHORTEST else 0
        if version == _IPV4:
            protocol, start, ends = packet[9], (packet[0] & 15) * 4, (packet[12:16], packet[16:20])
        elif version == _IPV6:
            protocol, start, ends = packet[6], 40, (packet[8:24], packet[24:40])
        else:
            return False
        if protocol != socket.IPPROTO_TCP or len(packet) < start + 4:
            return False
        used = struct.unpack_from("!HH", packet, start)
        return all(host in ends for host in self._hosts) and all(port in used for port in self._ports)


def open_listener() -> socket.socket:
    """A socket in the present network namespace that gets every packet."""
    listener = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_EVERY_PROTOCOL))
    listener.setsockopt(socket.SOL_SOCKET, _TIMES, 1)
    return listener


def receive(listener: socket.socket) -> tuple[bytes, int]:
    """The next packet, whole, and when the kernel got it, in nanoseconds since 1970."""
    packet, more, _, _ = listener.recvmsg(1 << 16, socket.CMSG_SPACE(_TIME.size))
    times = [_TIME.unpack(data) for level, kind, data in more if (level, kind) == (socket.SOL_SOCKET, _TIMES)]
    return packet, times[0][0] * 10**9 + times[0][1] if times else time.time_ns()


def head() -> bytes:
    """What a pcap file begins with."""
    return struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, _KEPT, _RAW)


def record(packet: bytes, at: int) -> bytes:
    """A packet in a pcap file, cut to what is kept."""
    kept = packet[:_KEPT]
    return struct.pack("=IIII", at // 10**9, at // 1000 % 10**6, len(kept), len(packet)) + kept


def listen(seconds: float, most: int, wanted: Filter) -> None:
    """Write what comes, until the time is over or there is enough of it."""
    out = sys.stdout.buffer
    with open_listener() as listener:
        try:
            listener.setsockopt(socket.SOL_SOCKET, _BUFFER_AT_ANY_RATE, _BUFFER)
        except OSError:  # that takes more than root of a user namespace
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        out.write(head())
        out.flush()
        left, end = most, time.monotonic() + seconds
        while left and select.select([listener], [], [], max(0.0, end - time.monotonic()))[0]:
            packet, at = receive(listener)
            if wanted.wants(packet):
                out.write(record(packet, at))
                out.flush()
                left -= 1
        lost = struct.unpack("=II", listener.getsockopt(_PACKET_LEVEL, _STATISTICS, 8))[1]
    sys.stderr.write(f"{lost} packets dropped by kernel\n")


if __name__ == "__main__":
    listen(float(sys.argv[1]), int(sys.argv[2]), Filter(sys.argv[3:]))
