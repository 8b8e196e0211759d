"""The connection tracking table of the present network namespace, over netlink.

https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/netfilter/nfnetlink_conntrack.h
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator

_NETFILTER = 12
_SUBSYSTEM = 1 << 8
_NEW, _GET, _DELETE = 0, 1, 2
_REQUEST, _ACKNOWLEDGE, _DUMP, _CREATE, _EXCLUSIVE = 0x1, 0x4, 0x300, 0x400, 0x200
_ERROR, _DONE = 2, 3
_NESTED = 0x8000
_TUPLE_ORIGINAL, _TUPLE_REPLY, _STATUS, _TIMEOUT = 1, 2, 3, 7
_TUPLE_IP, _TUPLE_PROTOCOL = 1, 2
_SOURCE, _DESTINATION = 1, 2
_NUMBER, _SOURCE_PORT, _DESTINATION_PORT = 1, 2, 3
_CONFIRMED_ASSURED_SEEN_REPLY = (1 << 1) | (1 << 2) | (1 << 3)
_BATCH = 256
_ANSWER = 1 << 16


def flush() -> None:
    """Forget every entry."""
    with _netlink() as netlink:
        netlink.send(_message(_DELETE, _REQUEST | _ACKNOWLEDGE, b""))
        _acknowledged(netlink, 1)


def source_ports(port: int) -> set[int]:
    """Of the live TCP entries to this destination port; those that have expired are not among them."""
    with _netlink() as netlink:
        wanted = struct.pack("!H", port)
        netlink.send(_message(_GET, _REQUEST | _DUMP, b""))
        found: set[int] = set()
        for kind, body in _messages(netlink):
            if kind == _DONE:
                return found
            if kind == _ERROR:
                _raise(body)
            protocol = _attribute(_attribute(body[4:], _TUPLE_ORIGINAL), _TUPLE_PROTOCOL)
            if _attribute(protocol, _NUMBER) == b"\x06" and _attribute(protocol, _DESTINATION_PORT) == wanted:
                found.add(int.from_bytes(_attribute(protocol, _SOURCE_PORT), "big"))
    raise AssertionError("netlink answers until it is done")


def fill(start: int = 0) -> int:
    """Add assured UDP entries between addresses that nobody has, until no more fit.

    Args:
        start: the number of those that an earlier call has added.

    Returns:
        The number of those that have been added by now.
    """
    with _netlink() as netlink:
        while True:
            netlink.send(b"".join(_udp_entry(number) for number in range(start, start + _BATCH)))
            refused = _acknowledged(netlink, _BATCH, may_fail=True)
            start += _BATCH - refused
            if refused:
                return start


def _udp_entry(number: int) -> bytes:
    # 198.18.0.0/15 is for benchmarks: https://www.rfc-editor.org/rfc/rfc2544
    here, there = socket.inet_aton("198.18.0.1"), struct.pack("!I", 0xC6130000 + number // 60000)
    port = 1024 + number % 60000
    body = _tuple(_TUPLE_ORIGINAL, here, there, port, 9)
    body += _tuple(_TUPLE_REPLY, there, here, 9, port)
    body += _attribute_of(_STATUS, struct.pack("!I", _CONFIRMED_ASSURED_SEEN_REPLY))
    body += _attribute_of(_TIMEOUT, struct.pack("!I", 600))
    return _message(_NEW, _REQUEST | _ACKNOWLEDGE | _CREATE | _EXCLUSIVE, body)


def _tuple(kind: int, source: bytes, destination: bytes, source_port: int, destination_port: int) -> bytes:
    addresses = _attribute_of(_SOURCE, source) + _attribute_of(_DESTINATION, destination)
    protocol = _attribute_of(_NUMBER, bytes([socket.IPPROTO_UDP]))
    protocol += _attribute_of(_SOURCE_PORT, struct.pack("!H", source_port))
    protocol += _attribute_of(_DESTINATION_PORT, struct.pack("!H", destination_port))
    nested = _attribute_of(_TUPLE_IP | _NESTED, addresses) + _attribute_of(_TUPLE_PROTOCOL | _NESTED, protocol)
    return _attribute_of(kind | _NESTED, nested)


def _attribute_of(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def _attribute(body: bytes, kind: int) -> bytes:
    position = 0
    while position + 4 <= len(body):
        length, found = struct.unpack_from("=HH", body, position)
        if found & ~_NESTED == kind:
            return body[position + 4 : position + length]
        position += (max(length, 4) + 3) & ~3
    return b""


def _message(kind: int, flags: int, attributes: bytes) -> bytes:
    body = struct.pack("=BBH", socket.AF_INET, 0, 0) + attributes
    return struct.pack("=IHHII", 16 + len(body), _SUBSYSTEM | kind, flags, 1, 0) + body


def _netlink() -> socket.socket:
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER)
    netlink.settimeout(30)
    # Acknowledgements of a whole batch have to fit.
    netlink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    netlink.bind((0, 0))
    return netlink


def _messages(netlink: socket.socket) -> Iterator[tuple[int, bytes]]:
    while True:
        answer = netlink.recv(_ANSWER)
        position = 0
        while position + 16 <= len(answer):
            length, kind = struct.unpack_from("=IH", answer, position)
            yield kind, answer[position + 16 : position + length]
            position += (max(length, 16) + 3) & ~3


def _acknowledged(netlink: socket.socket, wanted: int, *, may_fail: bool = False) -> int:
    """Wait for that many acknowledgements, and tell how many of them are refusals."""
    refused = 0
    for kind, body in _messages(netlink):
        if kind == _ERROR:
            wanted -= 1
            if struct.unpack_from("=i", body)[0]:
                refused += 1
                if not may_fail:
                    _raise(body)
        if not wanted:
            break
    return refused


def _raise(body: bytes) -> None:
    number = -struct.unpack_from("=i", body)[0]
    raise OSError(number, "conntrack: " + os.strerror(number))
