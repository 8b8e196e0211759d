"""Sockets, counters, connection tracking and IPVS."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Literal

from fleet.facts.answer import MalformedError, hexadecimal, integer, text
from fleet.facts.sysctls import Values, denied
from fleet.model.facts import Conntrack, Ipvs, IpvsTimeouts, Listener, Reason, Sysctl, Unavailable

_PROTOCOLS: Mapping[bytes, Literal["tcp", "udp"]] = {b"tcp": "tcp", b"udp": "udp"}
_BIG_ENDIAN = frozenset({"s390x", "ppc64", "ppc", "sparc64", "mips", "mips64"})
_TIMEOUTS = re.compile(rb"Timeout \(tcp tcpfin udp\): (\d{1,10}) (\d{1,10}) (\d{1,10})")

# Of the 170 that there are, those that tell the causes of a reset or a refused connection apart.
# https://docs.kernel.org/networking/snmp_counter.html
COUNTERS = frozenset(
    {
        *("ActiveOpens", "PassiveOpens", "AttemptFails", "EstabResets", "CurrEstab", "InSegs", "OutSegs"),
        *("RetransSegs", "InErrs", "OutRsts", "SyncookiesSent", "SyncookiesRecv", "SyncookiesFailed"),
        *("EmbryonicRsts", "OutOfWindowIcmps", "TW", "TWRecycled", "TWKilled", "PAWSActive", "PAWSEstab"),
        *("ListenOverflows", "ListenDrops", "TCPTimeWaitOverflow", "TCPTimeouts", "TCPBacklogDrop"),
        *("TCPReqQFullDoCookies", "TCPReqQFullDrop", "TCPAbortOnData", "TCPAbortOnClose", "TCPAbortOnMemory"),
        *("TCPAbortOnTimeout", "TCPAbortOnLinger", "TCPAbortFailed", "TCPKeepAlive", "TCPChallengeACK"),
        *("TCPSYNChallenge", "TCPRcvQDrop", "TCPMemoryPressures", "TCPSynRetrans", "BeyondWindow"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sockets:
    """The section ``sockets``; without awk on the node there is nothing in it."""

    listeners: tuple[Listener, ...] | Unavailable
    object_bytes: int | None
    services: int | None
    connections: int | None
    complete: bool
    has_awk: bool


def parse_sockets(lines: list[bytes], *, arch: str) -> Sockets:
    """What awk found in /proc.

    Args:
        lines: of the section.
        arch: as uname prints it, because /proc/net/tcp prints addresses in the machine's byte order.
    """
    listeners = []
    object_bytes = services = connections = None
    complete = True
    has_awk = False
    big = arch in _BIG_ENDIAN
    for line in lines:
        word, _, rest = line.partition(b" ")
        if protocol := _PROTOCOLS.get(word):
            address, _, port = rest.partition(b":")
            listeners.append(Listener(protocol=protocol, address=_address(address, big=big), port=_port(port)))
        elif word == b"slab":
            object_bytes = integer(rest)
        elif word == b"ipvs":
            first, _, second = rest.partition(b" ")
            services, connections = integer(first), integer(second)
        elif word == b"more":
            complete = False
        elif word == b"done":
            has_awk = True
        elif word:
            raise MalformedError("an unknown line about sockets", line)
    return Sockets(
        listeners=tuple(listeners) if has_awk else Unavailable(Reason.NOT_INSTALLED, "awk"),
        object_bytes=object_bytes,
        services=services,
        connections=connections,
        complete=complete,
        has_awk=has_awk,
    )


def parse_socket_sums(contents: Mapping[bytes, bytes]) -> dict[str, dict[str, int]]:
    """/proc/net/sockstat and sockstat6, such as ``TCP: inuse 5 orphan 0 tw 12``."""
    sums = {}
    for path in (b"/proc/net/sockstat", b"/proc/net/sockstat6"):
        for line in contents.get(path, b"").splitlines():
            protocol, _, rest = line.partition(b":")
            words = rest.split()
            sums[text(protocol, 32)] = {
                text(name, 32): integer(value) for name, value in zip(words[::2], words[1::2], strict=False)
            }
    return sums


def parse_counters(contents: Mapping[bytes, bytes]) -> dict[str, int]:
    """The counters of interest from /proc/net/snmp and /proc/net/netstat, named as nstat names them."""
    counters = {}
    for path, group in ((b"/proc/net/snmp", b"Tcp:"), (b"/proc/net/netstat", b"TcpExt:")):
        rows = [line for line in contents.get(path, b"").splitlines() if line.startswith(group)]
        if len(rows) == 2:  # noqa: PLR2004 # one line of names, one of values
            values = rows[1].split()
            for name, index in _columns(rows[0], group):
                if index < len(values):
                    counters[name] = integer(values[index])
    return counters


@lru_cache(maxsize=64)
def _columns(names: bytes, group: bytes) -> tuple[tuple[str, int], ...]:
    """The counters of interest by nstat's name, with their places: kernels of one release have one line of names."""
    prefix = group.decode().rstrip(":")
    words = [name.decode(errors="replace") for name in names.split()]
    return tuple((prefix + word, index) for index, word in enumerate(words) if word in COUNTERS)


def parse_conntrack(values: Values, sysctls: Mapping[str, Sysctl], sockets: Sockets, *, uid: int) -> Conntrack:
    """The connection tracking table, from its keys, its module parameter, its slab and its statistics."""
    count = _number(sysctls, "count")
    absent = count if isinstance(count, Unavailable) else Unavailable(Reason.ABSENT)
    hashsize: int | Unavailable = absent
    path = b"/sys/module/nf_conntrack/parameters/hashsize"
    if raw := values.contents.get(path):
        hashsize = integer(raw.strip())
    elif path in values.refused or path in values.contents:
        hashsize = denied(uid, path.decode())
    object_bytes: int | Unavailable = absent
    if sockets.object_bytes is not None:
        object_bytes = sockets.object_bytes
    elif uid:
        object_bytes = Unavailable(Reason.NEEDS_ROOT, "/proc/slabinfo")
    elif not sockets.has_awk:
        object_bytes = Unavailable(Reason.NOT_INSTALLED, "awk")
    raw = values.contents.get(b"/proc/net/stat/nf_conntrack")
    return Conntrack(
        count=count,
        max=_number(sysctls, "max"),
        buckets=_number(sysctls, "buckets"),
        hashsize=hashsize,
        object_bytes=object_bytes,
        stats=parse_statistics(raw) if raw else absent,
    )


def parse_ipvs(lines: list[bytes], sockets: Sockets, *, uid: int) -> Ipvs:
    """IPVS, from the sections ``tools`` and ``sockets``."""
    if b"loaded ip_vs" not in lines:
        absent = Unavailable(Reason.NOT_LOADED, "ip_vs")
        return Ipvs(timeouts=absent, services=absent, connections=absent)
    timeouts: IpvsTimeouts | Unavailable = denied(uid, "ipvsadm")
    for line in lines:
        if line == b"missing ipvsadm":
            timeouts = Unavailable(Reason.NOT_INSTALLED, "ipvsadm")
        elif line.startswith(b"ipvs ") and (match := _TIMEOUTS.search(line)):
            tcp, tcp_fin, udp = map(int, match.groups())
            timeouts = IpvsTimeouts(tcp=tcp, tcp_fin=tcp_fin, udp=udp)
    hidden = denied(uid, "/proc/net/ip_vs") if sockets.has_awk else Unavailable(Reason.NOT_INSTALLED, "awk")
    return Ipvs(
        timeouts=timeouts,
        services=hidden if sockets.services is None else sockets.services,
        connections=hidden if sockets.connections is None else sockets.connections,
    )


def _number(sysctls: Mapping[str, Sysctl], name: str) -> int | Unavailable:
    key = f"net.netfilter.nf_conntrack_{name}"
    if key not in sysctls:
        raise MalformedError(f"nothing about {key}")
    value = sysctls[key].value
    return value if isinstance(value, Unavailable) else integer(value.encode())


def parse_statistics(raw: bytes) -> dict[str, int]:
    """Sums over CPUs of /proc/net/stat/nf_conntrack, without ``entries``, of which each CPU repeats the one total."""
    names, *rows = (line.split() for line in raw.splitlines())
    return {
        text(name, 64): sum(map(hexadecimal, column))
        for name, *column in zip(names, *rows, strict=False)
        if name != b"entries"
    }


def _address(raw: bytes, *, big: bool) -> str:
    digits = text(raw, 32)
    try:
        words = bytes.fromhex(digits)
    except ValueError:
        words = b""
    if len(words) not in {4, 16}:
        raise MalformedError("not an address", raw)
    if not big:
        words = b"".join(words[start : start + 4][::-1] for start in range(0, len(words), 4))
    return ".".join(map(str, words)) if len(words) == 4 else str(IPv6Address(words))  # noqa: PLR2004 # bytes of IPv4


def _port(raw: bytes) -> int:
    port = hexadecimal(raw)
    if port > 65535:  # noqa: PLR2004 # the last port
        raise MalformedError("not a port", raw)
    return port
