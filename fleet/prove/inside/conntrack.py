"""The connection tracking table of the present network namespace, over netlink.

https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/uapi/linux/netfilter/nfnetlink_conntrack.h
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import time
from collections.abc import Iterator
from functools import lru_cache

_NETFILTER = 12
_SUBSYSTEM = 1 << 8
_NEW, _GET, _DELETE = 0, 1, 2
_REQUEST, _ACKNOWLEDGE, _CREATE, _EXCLUSIVE = 0x1, 0x4, 0x400, 0x200
_ERROR = 2
_NESTED = 0x8000
_TUPLE_ORIGINAL, _TUPLE_REPLY, _STATUS, _TIMEOUT = 1, 2, 3, 7
_TUPLE_IP, _TUPLE_PROTOCOL = 1, 2
_SOURCE, _DESTINATION = 1, 2
_NUMBER, _SOURCE_PORT, _DESTINATION_PORT = 1, 2, 3
_CONFIRMED_ASSURED_SEEN_REPLY = (1 << 1) | (1 << 2) | (1 << 3)
_BATCH = 256
# Seconds in which a kernel that has only no memory at the moment takes another entry.
_TAKEN_WITHIN = 30.0
_ANY_PORT, _ANY_ADDRESS = b"\xff\xfe", b"\xc6\x13\xff\xfd"
_ANSWER = 1 << 16


def flush() -> None:
    """Forget every entry."""
    with _netlink() as netlink:
        netlink.send(_message(_DELETE, _REQUEST | _ACKNOWLEDGE, b""))
        for error in _errors(netlink):
            _raise(error)


def forget(client: tuple[str, int], service: tuple[str, int]) -> None:
    """Delete the entry of this TCP connection over IPv4, as the client made it.

    Unlike a flush it does not go through the table of the whole machine.
    """
    body = _tuple(_TUPLE_ORIGINAL, socket.IPPROTO_TCP, client, service)
    with _netlink() as netlink:
        netlink.send(_message(_DELETE, _REQUEST | _ACKNOWLEDGE, body))
        for error in _errors(netlink):
            _raise(error)


def knows(client: tuple[str, int], service: tuple[str, int]) -> bool:
    """Whether there is a live entry of this TCP connection over IPv4, as the client made it; an expired one is none."""
    body = _tuple(_TUPLE_ORIGINAL, socket.IPPROTO_TCP, client, service)
    with _netlink() as netlink:
        netlink.send(_message(_GET, _REQUEST, body))
        kind, answer = next(_messages(netlink))
    if kind != _ERROR:
        return True
    if _number(answer) != errno.ENOENT:
        _raise(_number(answer))
    return False


def count() -> int:
    """How many entries there are."""
    return _kernel_value("nf_conntrack_count")


def limit() -> int:
    """How many entries there may be, 0 for no limit; one number for the whole machine, counted for each namespace."""
    return _kernel_value("nf_conntrack_max")


def fill(start: int = 0) -> int:
    """Add assured UDP entries between addresses that nobody has, until no more fit.

    The table is full when the kernel counts as many as it allows, and not when it refuses one: it also does so where
    it has no memory at that moment, and with the same error.

    Args:
        start: the number of those that an earlier call has tried.

    Returns:
        The number of those that have been tried by now.

    Raises:
        OSError: the kernel has taken none for a while.
    """
    size = limit()
    deadline = time.monotonic() + _TAKEN_WITHIN
    with _netlink() as netlink:
        while count() < size:
            netlink.send(
                b"".join(_udp_entry(number, _CREATE) for number in range(start, start + _BATCH - 1))
                + _udp_entry(start + _BATCH - 1, _CREATE | _ACKNOWLEDGE)
            )
            start += _BATCH
            refusals = list(_errors(netlink))
            if len(refusals) < _BATCH:
                deadline = time.monotonic() + _TAKEN_WITHIN
            elif time.monotonic() > deadline:
                why = os.strerror(refusals[-1])
                raise OSError(refusals[-1], f"conntrack: {count()} of {size} entries, and no more are taken: {why}")
    return start


def _kernel_value(name: str) -> int:
    with open(f"/proc/sys/net/netfilter/{name}", encoding="ascii") as file:
        return int(file.read())


def _udp_entry(number: int, flags: int) -> bytes:
    port, there = struct.pack("!H", 1024 + number % 60000), struct.pack("!BBH", 198, 19, number // 60000)
    return _any_udp_entry(flags).replace(_ANY_PORT, port).replace(_ANY_ADDRESS, there)


@lru_cache
def _any_udp_entry(flags: int) -> bytes:
    """Hundreds of thousands are made, which differ in a port and an address."""
    # 198.18.0.0/15 is for benchmarks: https://www.rfc-editor.org/rfc/rfc2544
    here, there = ("198.18.0.1", int.from_bytes(_ANY_PORT, "big")), (socket.inet_ntoa(_ANY_ADDRESS), 9)
    body = _tuple(_TUPLE_ORIGINAL, socket.IPPROTO_UDP, here, there)
    body += _tuple(_TUPLE_REPLY, socket.IPPROTO_UDP, there, here)
    body += _attribute_of(_STATUS, struct.pack("!I", _CONFIRMED_ASSURED_SEEN_REPLY))
    body += _attribute_of(_TIMEOUT, struct.pack("!I", 600))
    return _message(_NEW, _REQUEST | _EXCLUSIVE | flags, body)


def _tuple(kind: int, protocol: int, source: tuple[str, int], destination: tuple[str, int]) -> bytes:
    addresses = _attribute_of(_SOURCE, socket.inet_aton(source[0]))
    addresses += _attribute_of(_DESTINATION, socket.inet_aton(destination[0]))
    ports = _attribute_of(_NUMBER, bytes([protocol]))
    ports += _attribute_of(_SOURCE_PORT, struct.pack("!H", source[1]))
    ports += _attribute_of(_DESTINATION_PORT, struct.pack("!H", destination[1]))
    nested = _attribute_of(_TUPLE_IP | _NESTED, addresses) + _attribute_of(_TUPLE_PROTOCOL | _NESTED, ports)
    return _attribute_of(kind | _NESTED, nested)


def _attribute_of(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


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


def _errors(netlink: socket.socket) -> Iterator[int]:
    """The refusals until the one message is answered that asks for an acknowledgement, which has to be the last."""
    for kind, body in _messages(netlink):
        if kind == _ERROR:
            if number := _number(body):
                yield number
            # It stands beside the head of the message that it answers.
            _, _, flags = struct.unpack_from("=IHH", body, 4)
            if flags & _ACKNOWLEDGE:
                return


def _number(body: bytes) -> int:
    return -int(struct.unpack_from("=i", body)[0])


def _raise(number: int) -> None:
    raise OSError(number, "conntrack: " + os.strerror(number))
