"""TCP segments: forged ones, and those that a capture saw."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
_REPAIR, _REPAIR_QUEUE, _QUEUE_SEQ = 19, 20, 21
_RECEIVE_QUEUE, _SEND_QUEUE, _NO_QUEUE = 1, 2, 0
_LEAVE_SILENTLY = -1
_UNACKED_IN_TCP_INFO = 24
_MASK = 0xFFFFFFFF
_IPV6 = 6
_FIXED_HEAD = {4: 20, _IPV6: 40}


class Segment(NamedTuple):
    """What matters of a segment that was seen."""

    source: str
    destination: str
    flags: int


def numbers(connection: socket.socket) -> tuple[int, int]:
    """The next sequence number that a connection will send, and the one that it expects.

    Read through TCP_REPAIR, which needs CAP_NET_ADMIN over the connection's network namespace; left without a window
    probe, so that no packet is sent: https://lwn.net/Articles/495304/
    """
    connection.setsockopt(socket.IPPROTO_TCP, _REPAIR, 1)
    connection.setsockopt(socket.IPPROTO_TCP, _REPAIR_QUEUE, _SEND_QUEUE)
    sends = connection.getsockopt(socket.IPPROTO_TCP, _QUEUE_SEQ) & _MASK
    connection.setsockopt(socket.IPPROTO_TCP, _REPAIR_QUEUE, _RECEIVE_QUEUE)
    expects = connection.getsockopt(socket.IPPROTO_TCP, _QUEUE_SEQ) & _MASK
    connection.setsockopt(socket.IPPROTO_TCP, _REPAIR_QUEUE, _NO_QUEUE)
    connection.setsockopt(socket.IPPROTO_TCP, _REPAIR, _LEAVE_SILENTLY)
    return sends, expects


def unacknowledged(connection: socket.socket) -> int:
    """Segments that were sent and not acknowledged yet."""
    length = _UNACKED_IN_TCP_INFO + 4
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, length)
    return int(struct.unpack_from("=I", info, _UNACKED_IN_TCP_INFO)[0])


def forge(connection: socket.socket, *, above: int, unseen: int = 0, payload: bytes = b"forged!") -> bytes:
    """A segment of this connection, as its own kernel would send it, but for the sequence number.

    Args:
        connection: the server's end.
        above: how far above the next sequence number; negative for an old segment.
        unseen: how many bytes it acknowledges that were never sent. With 0 the acknowledgement is exact: the
            receiver's RST copies it, and with another one the connection survives.
        payload: what it carries.
    """
    (source, source_port, *_), (destination, destination_port, *_) = connection.getsockname(), connection.getpeername()
    sends, expects = numbers(connection)
    sequence, acknowledged = (sends + above) & _MASK, (expects + unseen) & _MASK
    head = struct.pack(
        "!HHIIBBHHH", source_port, destination_port, sequence, acknowledged, 5 << 4, PSH | ACK, 512, 0, 0
    )
    pseudo = socket.inet_pton(connection.family, source) + socket.inet_pton(connection.family, destination)
    # Padded to whole words, in which both IP versions have the same sum.
    pseudo += struct.pack("!HH", socket.IPPROTO_TCP, len(head) + len(payload))
    checksum = _checksum(pseudo + head + payload)
    return head[:16] + struct.pack("!H", checksum) + head[18:] + payload


def parse(packet: bytes) -> Segment | None:
    """An IP packet without extensions as a segment; None where it is something else."""
    version = packet[0] >> 4 if packet else 0
    head = _FIXED_HEAD.get(version, len(packet))
    if len(packet) < head + 14:
        return None
    if version == _IPV6:
        protocol, start, family, addresses = packet[6], head, socket.AF_INET6, packet[8:40]
    else:
        protocol, start, family, addresses = packet[9], (packet[0] & 15) * 4, socket.AF_INET, packet[12:20]
    if protocol != socket.IPPROTO_TCP or len(packet) < start + 14:
        return None
    half = len(addresses) // 2
    return Segment(
        source=socket.inet_ntop(family, addresses[:half]),
        destination=socket.inet_ntop(family, addresses[half:]),
        flags=packet[start + 13],
    )


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
