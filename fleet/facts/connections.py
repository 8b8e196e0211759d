"""The script that reads the connections of a node and its pods, and the parser of its answer."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from ipaddress import ip_address
from typing import Final

from fleet.facts.answer import Answer, MalformedError, integer, open_answer
from fleet.facts.network import parse_counters
from fleet.facts.pods import pod_of
from fleet.facts.rehearsal import refusal
from fleet.facts.request import ProbeRequest, probe_arguments
from fleet.model.connections import (
    Connections,
    PodNetwork,
    PortUse,
    SocketAddress,
    SocketState,
    TcpSocket,
    TrackedConnection,
)
from fleet.model.errors import ProtocolError
from fleet.model.facts import Reason, Unavailable
from fleet.model.text import printable

MOST_NAMESPACES: Final = 200
MOST_ENTRIES: Final = 300_000
"""A table of that many entries takes a node's awk a second or two."""
MOST_SOCKETS: Final = 20_000

_LAYOUTS = frozenset(
    {(b"refused", b"end"), (b"namespaces", b"cgroups", b"counters", b"table", b"rules", b"sockets", b"end")},
)
_STATES: Mapping[bytes, SocketState] = {b"01": "established", b"05": "fin-wait-2", b"08": "close-wait"}
_KEEPALIVE = 2
_TICKS = 100.0  # USER_HZ, which is the same on every machine
_UPTIME = re.compile(rb"\d{1,12}\.\d{1,9}")
_WORD = re.compile(rb"[A-Z0-9_]{1,20}")
_PORTS = re.compile(rb"[0-9,-]*")
_OWN = b"self"
_COUNTER = re.compile(r"counter packets \d+ bytes \d+")
_LONGEST_RULE = 400


@cache
def connections_script() -> bytes:
    """The POSIX shell script that a node gets on the standard input of ``sh -s``."""
    folder = files("fleet.facts")
    return b"".join(folder.joinpath(part).read_bytes() for part in ("namespaces.sh", "connections.sh"))


def connections_arguments(nonce: str) -> tuple[str, ...]:
    """The arguments after ``sh -s --``.

    Raises:
        ValueError: the nonce has another form than for `probe_arguments`.
    """
    bounds = (MOST_NAMESPACES, MOST_ENTRIES, MOST_SOCKETS)
    return (*probe_arguments(nonce, ProbeRequest(keys=())), *map(str, bounds))


def parse_connections(answer: bytes, *, nonce: str, host: str) -> Connections | Unavailable:
    """Read what the node printed; ``Unavailable`` where it cannot look into other namespaces, with why.

    Args:
        answer: the standard output of the script.
        nonce: that of the call.
        host: the inventory name.

    Raises:
        ProtocolError: the script did not print this, or not all of it.
    """
    opened = open_answer(answer, nonce=nonce, host=host, script=b"fleet-connections", layouts=_LAYOUTS)
    try:
        if b"refused" in opened.sections:
            return refusal(opened.sections[b"refused"].strip())
        return _connections(opened)
    except MalformedError as error:
        raise ProtocolError(
            host, f"the connections of {host} have a part that the script does not print: {error}"
        ) from error


@dataclass(slots=True)
class _Namespace:
    """What the lines of one namespace come to."""

    range: tuple[int, int] = (0, 0)
    reserved: str = ""
    reuse: bytes = b""
    listening: set[int] = field(default_factory=set)
    sockets: list[TcpSocket] = field(default_factory=list)
    ports: list[PortUse] = field(default_factory=list)


@dataclass(slots=True)
class _Lines:
    namespaces: dict[bytes, _Namespace] = field(default_factory=lambda: defaultdict(_Namespace))
    entries: list[TrackedConnection] = field(default_factory=list)
    services: set[SocketAddress] = field(default_factory=set)
    ipvs: set[tuple[SocketAddress, SocketAddress]] = field(default_factory=set)
    times: dict[bytes, float] = field(default_factory=dict)
    complete: bool = True


def _connections(answer: Answer) -> Connections:
    seen, *listed = answer.lines(b"namespaces") or [b""]
    if not seen.startswith(b"seen "):
        raise MalformedError("an unfinished list of namespaces", seen or b"(nothing)")
    known = dict(_process(line) for line in listed if line)
    cgroups = dict(_record(record) for record in answer.records(b"cgroups"))
    counters = dict(_record(record) for record in answer.records(b"counters"))
    lines = _lines(answer.lines(b"sockets"))
    if missing := lines.namespaces.keys() - counters.keys():
        raise MalformedError("sockets of a namespace without counters", min(missing))
    if strange := counters.keys() - {_OWN} - known.keys():
        raise MalformedError("a namespace that was not listed", min(strange))

    def network(pid: bytes) -> PodNetwork:
        found = lines.namespaces.get(pid) or _Namespace()
        inode, name = known.get(pid, (0, ""))
        body = counters[pid]
        return PodNetwork(
            inode=inode,
            name=name,
            pod=pod_of(cgroups.get(pid, b"")),
            counters=parse_counters({b"/proc/net/snmp": body, b"/proc/net/netstat": body}),
            first_port=found.range[0],
            last_port=found.range[1],
            reserved_ports=found.reserved,
            reuses_waiting=found.reuse == b"1",
            listening=frozenset(found.listening),
            sockets=tuple(found.sockets),
            ports=tuple(sorted(found.ports, key=lambda use: -use.used)),
        )

    if _OWN not in counters:
        raise MalformedError("nothing about the node's own namespace")
    if len(lines.times) != 2:  # noqa: PLR2004 # began and ended
        raise MalformedError("no time since the boot")
    # One that ended while it was read has no counters.
    others = tuple(network(pid) for pid, body in counters.items() if pid != _OWN and body.strip())
    return Connections(
        began=lines.times[b"began"],
        ended=lines.times[b"ended"],
        own=network(_OWN),
        pods=others,
        unread=len(known) - len(counters) + 1,
        entries=_table(answer.lines(b"table"), lines.entries),
        services=frozenset(lines.services),
        ipvs=frozenset(lines.ipvs),
        complete=lines.complete,
        invalid_drops=dict(_rule(line) for line in answer.lines(b"rules") if line),
    )


def _process(line: bytes) -> tuple[bytes, tuple[int, str]]:
    match line.split(b" ", 3):
        case [_, pid, inode, name] if pid.isdigit():
            return pid, (integer(inode), printable(name))
    raise MalformedError("an unfinished namespace", line)


def _rule(line: bytes) -> tuple[str, int]:
    count, _, rule = line.partition(b" ")
    # The counter of an nft rule stands in its text, too.
    return _COUNTER.sub("counter", printable(rule, _LONGEST_RULE)), integer(count)


def _record(record: bytes) -> tuple[bytes, bytes]:
    head, _, body = record.partition(b"\n")
    if not head.startswith(b"pid "):
        raise MalformedError("a record without its process", head)
    return head.removeprefix(b"pid "), body


def _table(lines: list[bytes], entries: list[TrackedConnection]) -> tuple[TrackedConnection, ...] | Unavailable:
    match (lines or [b""])[0].split():
        case [b"-", b"absent"]:
            return Unavailable(Reason.NOT_LOADED, "nf_conntrack")
        case [b"-", b"large", count]:
            most = f"the table has {integer(count)} entries, and no more than {MOST_ENTRIES} are gone through"
            return Unavailable(Reason.IMPOSSIBLE, most)
        case [b"-", b"missing", b"conntrack"]:
            return Unavailable(Reason.NOT_INSTALLED, "conntrack")
        case [first, *_] if first != b"-":
            return tuple(entries)
    raise MalformedError("an unknown table", b" ".join(lines) or b"(nothing)")


def _lines(rows: list[bytes]) -> _Lines:
    found = _Lines()
    if b"done" not in rows:
        raise MalformedError("the list of sockets has no end: the node needs a working awk")
    for row in rows:
        match row.split():
            case [b"range" | b"reserved" | b"reuse" | b"listen" | b"socket" | b"used" as word, pid, *rest]:
                _of_namespace(found.namespaces[pid], word, rest, row)
            case [b"entry", state, expires, *ends] if len(ends) == 8:  # noqa: PLR2004 # two ends, twice
                found.entries.append(_entry(state, expires, ends))
            case [b"service", address, port]:
                found.services.add(_end(address, port))
            case [b"ipvs", *ends] if len(ends) == 4:  # noqa: PLR2004 # two ends
                found.ipvs.add((_end(*ends[:2]), _end(*ends[2:])))
            case [b"began" | b"ended" as word, seconds]:
                found.times[word] = _seconds(seconds)
            case [b"more"]:
                found.complete = False
            case [] | [b"done"]:
                pass
            case _:
                raise MalformedError("an unknown line about connections", row)
    return found


def _of_namespace(namespace: _Namespace, word: bytes, rest: list[bytes], row: bytes) -> None:
    match word, rest:
        case b"range", [low, high]:
            namespace.range = (_port(low), _port(high))
        case b"reserved", ports:
            namespace.reserved = _ports(b"".join(ports))
        case b"reuse", [value]:
            namespace.reuse = value
        case b"listen", [port]:
            namespace.listening.add(_port(port))
        case b"used", [address, port, used, waiting]:
            use = PortUse(destination=_end(address, port), used=integer(used), waiting=integer(waiting))
            namespace.ports.append(use)
        case b"socket", words:
            namespace.sockets.append(_socket(words, row))
        case _:
            raise MalformedError("an unfinished line about connections", row)


def _socket(words: list[bytes], row: bytes) -> TcpSocket:
    match words:
        case [mine, port, peer, peer_port, state, timer, when, inode] if state in _STATES:
            is_keepalive = integer(timer) == _KEEPALIVE
            return TcpSocket(
                local=_end(mine, port),
                remote=_end(peer, peer_port),
                state=_STATES[state],
                keepalive=integer(when) / _TICKS if is_keepalive else None,
                owned=integer(inode) != 0,
            )
    raise MalformedError("an unfinished socket", row)


def _entry(state: bytes, expires: bytes, ends: list[bytes]) -> TrackedConnection:
    if not _WORD.fullmatch(state):
        raise MalformedError("an unknown state", state)
    source, destination, answers_from, answers_to = (_end(*ends[at : at + 2]) for at in range(0, 8, 2))
    return TrackedConnection(
        state=state.decode(),
        expires=integer(expires),
        source=source,
        destination=destination,
        answers_from=answers_from,
        answers_to=answers_to,
    )


def _end(address: bytes, port: bytes) -> SocketAddress:
    return SocketAddress(_address(address), _port(port))


def _address(raw: bytes) -> str:
    """In the shortest form, so that the two ways in which the kernel prints one compare equal."""
    try:
        return str(ip_address(raw.decode("ascii")))
    except ValueError:
        raise MalformedError("not an address", raw) from None


def _seconds(raw: bytes) -> float:
    if not _UPTIME.fullmatch(raw):
        raise MalformedError("not a time", raw)
    return float(raw)


def _port(raw: bytes) -> int:
    port = integer(raw)
    if port > 65535:  # noqa: PLR2004 # the last port
        raise MalformedError("not a port", raw)
    return port


def _ports(raw: bytes) -> str:
    if not _PORTS.fullmatch(raw):
        raise MalformedError("not a list of ports", raw)
    return raw.decode()
