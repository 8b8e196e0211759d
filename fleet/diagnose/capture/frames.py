"""Reads the frames of a capture file, pcap or pcapng, of any size.

dpkt was weighed: its pcapng reader takes each frame for one of the first interface, whatever its link type is, and has
had no release since 2022. https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html and
https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html are the formats.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final, Literal, NamedTuple

_Order = Literal["<", ">"]

_MAGICS: Final[dict[bytes, tuple[_Order, int]]] = {
    b"\xd4\xc3\xb2\xa1": ("<", 10**6),
    b"\xa1\xb2\xc3\xd4": (">", 10**6),
    b"\x4d\x3c\xb2\xa1": ("<", 10**9),
    b"\xa1\xb2\x3c\x4d": (">", 10**9),
}
_SECTION, _INTERFACE, _OLD_PACKET, _PACKET = 0x0A0D0D0A, 1, 2, 6
_SECTION_MAGIC = _SECTION.to_bytes(4, "big")
_BYTE_ORDERS: Final[dict[bytes, _Order]] = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_RESOLUTION, _OFFSET = 9, 14
_LARGEST_BLOCK = 1 << 24
_LAST_TIME = 253_402_300_799.0  # the year 9999


class FormatError(Exception):
    """It is no capture, or a damaged one."""


class Frame(NamedTuple):
    """A frame as it was captured.

    Attributes:
        at: seconds since 1970.
        link: its link type, https://www.tcpdump.org/linktypes.html.
    """

    at: float
    link: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Interface:
    link: int
    ticks: int
    offset: int


class Frames:
    """The frames of a capture, once.

    Attributes:
        is_cut: whether it ended in the middle of a frame; known at the end.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.is_cut = False

    def __iter__(self) -> Iterator[Frame]:
        """Read them one after the other.

        Raises:
            FormatError: it is no capture.
            OSError: it cannot be read.
        """
        magic = self._file.read(4)
        if magic in _MAGICS:
            yield from self._classic(*_MAGICS[magic])
        elif magic == _SECTION_MAGIC:
            yield from self._blocks()
        elif magic[:2] == b"\x1f\x8b":
            raise FormatError("it is compressed: gunzip it first")
        else:
            raise FormatError("it begins like neither pcap nor pcapng")

    def _classic(self, order: _Order, ticks: int) -> Iterator[Frame]:
        head = self._take(20)
        if head is None:
            return
        link = struct.unpack_from(order + "I", head, 16)[0] & 0xFFFF
        record = struct.Struct(order + "IIII")
        while raw := self._take(record.size):
            seconds, parts, length, _ = record.unpack(raw)
            if length > _LARGEST_BLOCK:
                raise FormatError(f"a frame of {length} bytes: the file is damaged")
            data = self._take(length, is_first=False)
            if data is None:
                return
            yield Frame(seconds + parts / ticks, link, data)

    def _blocks(self) -> Iterator[Frame]:
        # Each section has its own byte order and its own interfaces.
        order: _Order = "<"
        interfaces: list[_Interface] = []
        kind_raw: bytes | None = _SECTION_MAGIC
        while kind_raw:
            if kind_raw == _SECTION_MAGIC:
                order, interfaces = self._section(), []
            else:
                kind = struct.unpack(order + "I", kind_raw)[0]
                body = self._body(order)
                if body is None:
                    return
                if kind == _INTERFACE:
                    interfaces.append(_interface(order, body))
                elif kind in {_PACKET, _OLD_PACKET}:
                    yield _packet(order, kind, body, interfaces)
            kind_raw = self._take(4)

    def _section(self) -> _Order:
        raw = self._take(8, is_first=False)
        order = _BYTE_ORDERS.get(raw[4:] if raw else b"")
        if raw is None or order is None:
            raise FormatError("a section of pcapng without its byte order")
        length = struct.unpack(order + "I", raw[:4])[0]
        self._take(_checked(length) - 12, is_first=False)
        return order

    def _body(self, order: _Order) -> bytes | None:
        raw = self._take(4, is_first=False)
        if raw is None:
            return None
        rest = self._take(_checked(struct.unpack(order + "I", raw)[0]) - 8, is_first=False)
        return None if rest is None else rest[:-4]

    def _take(self, count: int, *, is_first: bool = True) -> bytes | None:
        """So many bytes; None at the end of the file, be it where a frame ends or in the middle of one."""
        data = self._file.read(count)
        if len(data) == count:
            return data
        self.is_cut = self.is_cut or bool(data) or not is_first
        return None


def _checked(length: int) -> int:
    if not 12 <= length <= _LARGEST_BLOCK or length % 4:  # noqa: PLR2004 # a block without a body
        raise FormatError(f"a block of {length} bytes: the file is damaged")
    return length


def _interface(order: _Order, body: bytes) -> _Interface:
    if len(body) < 8:  # noqa: PLR2004 # the fixed part
        raise FormatError("an unfinished interface")
    ticks, offset, at = 10**6, 0, 8
    while at + 4 <= len(body):
        code, length = struct.unpack_from(order + "HH", body, at)
        value = body[at + 4 : at + 4 + length]
        if code == _RESOLUTION and value:
            ticks = (2 if value[0] & 0x80 else 10) ** min(value[0] & 0x7F, 63)
        elif code == _OFFSET and len(value) == 8:  # noqa: PLR2004 # a 64 bit number
            offset = struct.unpack(order + "q", value)[0]
        at += 4 + (length + 3) // 4 * 4
    return _Interface(link=struct.unpack_from(order + "H", body)[0], ticks=ticks, offset=offset)


def _packet(order: _Order, kind: int, body: bytes, interfaces: list[_Interface]) -> Frame:
    if len(body) < 20:  # noqa: PLR2004 # the fixed part
        raise FormatError("an unfinished packet")
    number = struct.unpack_from(order + ("I" if kind == _PACKET else "H"), body)[0]
    if number >= len(interfaces):
        raise FormatError(f"a packet of interface {number}, which was not described")
    high, low, length = struct.unpack_from(order + "III", body, 4)
    interface = interfaces[number]
    at = interface.offset + ((high << 32) | low) / interface.ticks
    return Frame(min(max(at, 0.0), _LAST_TIME), interface.link, body[20 : 20 + length])
