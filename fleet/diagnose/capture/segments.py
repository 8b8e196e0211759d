"""TCP segments in frames, over IPv4 and IPv6."""

import struct
from ipaddress import ip_address
from typing import Final, NamedTuple

from fleet.diagnose.capture.frames import FormatError, Frame
from fleet.model.connections import SocketAddress

FIN, SYN, RST, ACK = 1, 2, 4, 16

_ETHERNET, _SLL, _SLL2 = 1, 113, 276
_RAW: Final = frozenset({12, 14, 101, 228, 229})
_LOOPBACK: Final = frozenset({0, 108})
_VLANS = frozenset({0x8100, 0x88A8, 0x9100})
_IP = frozenset({0x0800, 0x86DD})
_TCP = 6
_EXTENSIONS = frozenset({0, 43, 60})
_WINDOW_SCALE = 3
MOST_SCALE: Final = 14
_TCP_HEAD = struct.Struct("!HHIIBBH")


class End(NamedTuple):
    """One end: the bytes of its address, and its port."""

    address: bytes
    port: int

    @property
    def words(self) -> SocketAddress:
        return SocketAddress(str(ip_address(self.address)), self.port)


class Segment(NamedTuple):
    """What matters of a segment.

    Attributes:
        at: seconds since 1970.
        window: as it stands there, not scaled.
        scale: the shift that a SYN announces; None for one without, and for others.
        length: of what it carries; a SYN and a FIN count as one, as in sequence numbers.
    """

    at: float
    source: End
    destination: End
    flags: int
    seq: int
    ack: int
    window: int
    scale: int | None
    length: int

    @property
    def has_data(self) -> bool:
        return self.length > bool(self.flags & SYN) + bool(self.flags & FIN)


def segment(frame: Frame) -> Segment | None:
    """The segment in a frame; None where there is another thing, or too little of it.

    Raises:
        FormatError: the link type is not known.
    """
    data = frame.data
    start = _network_header(frame)
    if start is None or start >= len(data):
        return None
    version = data[start] >> 4
    if version == 4:  # noqa: PLR2004 # IPv4
        return _ipv4(frame.at, data, start)
    return _ipv6(frame.at, data, start) if version == 6 else None  # noqa: PLR2004 # IPv6


def _network_header(frame: Frame) -> int | None:
    """Where the IP packet begins."""
    data = frame.data
    if frame.link == _ETHERNET:
        at = 12
        while int.from_bytes(data[at : at + 2]) in _VLANS:
            at += 4
        return at + 2 if int.from_bytes(data[at : at + 2]) in _IP else None
    if frame.link == _SLL:
        return 16 if int.from_bytes(data[14:16]) in _IP else None
    if frame.link == _SLL2:
        return 20 if int.from_bytes(data[:2]) in _IP else None
    if frame.link in _RAW:
        return 0
    if frame.link in _LOOPBACK:
        return 4
    raise FormatError(
        f"frames of link type {frame.link} are not read: capture with 'tcpdump -ni any -s 128 -w FILE tcp'"
    )


def _ipv4(at: float, data: bytes, start: int) -> Segment | None:
    head = (data[start] & 15) * 4
    fixed = data[start : start + 20]
    if len(fixed) < 20 or fixed[9] != _TCP or int.from_bytes(fixed[6:8]) & 0x1FFF:  # noqa: PLR2004 # its length
        return None
    # A segment that the card is yet to cut may tell no length.
    total = int.from_bytes(fixed[2:4]) or len(data) - start
    return _segment(at, data, start + head, total - head, fixed[12:16], fixed[16:20])


def _ipv6(at: float, data: bytes, start: int) -> Segment | None:
    fixed = data[start : start + 40]
    if len(fixed) < 40:  # noqa: PLR2004 # its length
        return None
    following, position = fixed[6], start + 40
    while following in _EXTENSIONS and position + 2 <= len(data):
        following, position = data[position], position + (data[position + 1] + 1) * 8
    if following != _TCP:
        return None
    payload = int.from_bytes(fixed[4:6]) or len(data) - start - 40
    return _segment(at, data, position, start + 40 + payload - position, fixed[8:24], fixed[24:40])


def _segment(at: float, data: bytes, start: int, length: int, source: bytes, destination: bytes) -> Segment | None:  # noqa: PLR0913, PLR0917 # in a hot loop
    if start + 20 > len(data):
        return None
    from_port, to_port, seq, ack, offset, flags, window = _TCP_HEAD.unpack_from(data, start)
    head = (offset >> 4) * 4
    return Segment(
        at,
        End(source, from_port),
        End(destination, to_port),
        flags,
        seq,
        ack,
        window,
        _scale(data[start + 20 : start + head]) if flags & SYN else None,
        max(0, length - head) + bool(flags & SYN) + bool(flags & FIN),
    )


def _scale(options: bytes) -> int:
    """The shift of the window; without that option there is none."""
    at = 0
    while at < len(options) and options[at]:
        if options[at] == 1:  # padding has no length
            at += 1
            continue
        if at + 1 >= len(options) or options[at + 1] < 2:  # noqa: PLR2004 # kind and length
            return 0
        if options[at] == _WINDOW_SCALE and at + 2 < len(options):
            return min(options[at + 2], MOST_SCALE)
        at += options[at + 1]
    return 0
