"""Captures made of words: segments, frames around them, and files around those."""

import socket
import struct
from collections.abc import Iterable

SYN, RST, PSH, ACK, FIN = 2, 4, 8, 16, 1


def tcp(  # noqa: PLR0913 # all of them by name
    source: str,
    destination: str,
    flags: int,
    *,
    seq: int = 0,
    ack: int = 0,
    window: int = 500,
    data: bytes = b"",
    scale: int | None = None,
) -> bytes:
    """An IP packet; ends are written ``10.0.0.1:80`` or ``fd00::1:80``, the port after the last colon."""
    (one, one_port), (other, other_port) = source.rsplit(":", 1), destination.rsplit(":", 1)
    options = b"" if scale is None else bytes([1, 3, 3, scale])
    offset = (20 + len(options)) // 4 << 4
    head = struct.pack(
        "!HHIIBBHHH", int(one_port), int(other_port), seq % 2**32, ack % 2**32, offset, flags, window, 0, 0
    )
    body = head + options + data
    if ":" in one:
        addresses = socket.inet_pton(socket.AF_INET6, one) + socket.inet_pton(socket.AF_INET6, other)
        return struct.pack("!IHBB", 6 << 28, len(body), 6, 64) + addresses + body
    addresses = socket.inet_aton(one) + socket.inet_aton(other)
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, 6, 0) + addresses + body


def pcap(
    packets: Iterable[tuple[float, bytes]], *, link: int = 101, order: str = "<", nanoseconds: bool = False
) -> bytes:
    ticks = 10**9 if nanoseconds else 10**6
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    parts = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link)]
    for at, data in packets:
        parts += [struct.pack(order + "IIII", int(at), round(at % 1 * ticks), len(data), len(data)), data]
    return b"".join(parts)


def block(order: str, kind: int, body: bytes) -> bytes:
    padded = body + bytes(-len(body) % 4)
    length = 12 + len(padded)
    return struct.pack(order + "II", kind, length) + padded + struct.pack(order + "I", length)


def section(order: str) -> bytes:
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))


def interface(order: str, link: int, *, resolution: int | None = None, offset: int | None = None) -> bytes:
    options = b""
    if resolution is not None:
        options += struct.pack(order + "HHBxxx", 9, 1, resolution)
    if offset is not None:
        options += struct.pack(order + "HHq", 14, 8, offset)
    return block(order, 1, struct.pack(order + "HHI", link, 0, 0) + options)


def packet(order: str, number: int, ticks: int, data: bytes) -> bytes:
    fixed = struct.pack(order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data))
    return block(order, 6, fixed + data)
