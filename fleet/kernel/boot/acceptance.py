"""What the kernel makes of a text that is written to a key.

Measured on 6.18 in a network namespace, and held to the running kernel by tests/integration/boot. Keys of the host as a
whole cannot be tried there: theirs are ``measured=False``, and only numbers in the plain middle of their range count as
taken. What lies outside is unsure, never guessed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from fleet.kernel.number import parse_number
from fleet.kernel.portset import PortSet
from fleet.kernel.values import fold
from fleet.kernel.version import KernelVersion

MEASURED_ON = KernelVersion(6, 18)

PORT_RANGE = "net.ipv4.ip_local_port_range"
UNPRIVILEGED = "net.ipv4.ip_unprivileged_port_start"
BUCKETS = "net.netfilter.nf_conntrack_buckets"
BRIDGE = "net.bridge."

_INT_MAX = 2**31 - 1
_SURE_SECONDS = _INT_MAX // 1000  # the kernel keeps ticks in an int, and HZ is 1000 at most
_WRONG_SECONDS = _INT_MAX // 100  # and 100 at least
_MAX_PORT = 65_535
_LARGEST_TABLE = 4_194_304
_BUCKETS_A_PAGE = {"x86_64": 512}
_BUCKETS_ANY_PAGE = 8192  # pages of 64 KiB, the largest there are
_WRITE_LIMIT = 4000  # a write is cut off at a page, and procps cuts it into pieces before that

# isspace() of the kernel skips more than may follow a number.
_LEADING = b" \t\n\v\f\r\xa0"
# Interfaces have the handlers of "default".
_INTERFACE = re.compile(r"^(net\.ipv[46]\.(?:conf|neigh))\.(?!all\.).+\.(?=[^.]+$)")
_TOKEN = re.compile(rb"[^ \t\n]+")


@dataclass(frozen=True, slots=True)
class Accepted:
    """The kernel takes it and prints ``value``, whitespace folded."""

    value: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The kernel keeps what it has."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unsure:
    """It is not known what the kernel does."""

    reason: str


Outcome = Accepted | Refused | Unsure

Handler = Literal["int", "byte", "seconds"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Numbers that every kernel takes, and by what kind of handler.

    Attributes:
        measured: numbers outside are refused by kernels since ``MEASURED_ON``; else nothing is known of them.
    """

    handler: Handler
    at_least: int
    at_most: int
    measured: bool = True


_FLAG = Limits(handler="byte", at_least=0, at_most=1)
_BYTE = Limits(handler="byte", at_least=0, at_most=255)
_INT = Limits(handler="int", at_least=-(2**31), at_most=_INT_MAX)
_NATURAL = Limits(handler="int", at_least=0, at_most=_INT_MAX)
_NATURAL_READ = Limits(handler="int", at_least=0, at_most=_INT_MAX, measured=False)
_POSITIVE_READ = Limits(handler="int", at_least=1, at_most=_INT_MAX, measured=False)
_SECONDS = Limits(handler="seconds", at_least=-_SURE_SECONDS, at_most=_SURE_SECONDS)
_FLAG_READ = Limits(handler="int", at_least=0, at_most=1, measured=False)

LIMITS: Mapping[str, Limits] = {
    "net.netfilter.nf_conntrack_max": _NATURAL_READ,
    BUCKETS: Limits(handler="int", at_least=1, at_most=_LARGEST_TABLE, measured=False),
    "net.netfilter.nf_conntrack_tcp_be_liberal": _FLAG,
    "net.netfilter.nf_conntrack_tcp_loose": _FLAG,
    "net.netfilter.nf_conntrack_tcp_ignore_invalid_rst": _FLAG,
    "net.netfilter.nf_conntrack_acct": _FLAG,
    "net.netfilter.nf_conntrack_checksum": _FLAG,
    "net.netfilter.nf_conntrack_log_invalid": _BYTE,
    **{
        f"net.netfilter.nf_conntrack_{name}": _SECONDS
        for name in (
            *(
                f"tcp_timeout_{state}"
                for state in (
                    "established",
                    "close_wait",
                    "time_wait",
                    "fin_wait",
                    "last_ack",
                    "syn_sent",
                    "syn_recv",
                    "close",
                    "max_retrans",
                    "unacknowledged",
                )
            ),
            "generic_timeout",
            "udp_timeout",
            "udp_timeout_stream",
            "icmp_timeout",
        )
    },
    "net.ipv4.tcp_fin_timeout": _SECONDS,
    "net.ipv4.tcp_keepalive_time": _SECONDS,
    "net.ipv4.tcp_keepalive_intvl": _SECONDS,
    "net.ipv4.tcp_keepalive_probes": _BYTE,
    "net.ipv4.tcp_tw_reuse": Limits(handler="byte", at_least=0, at_most=2),
    "net.ipv4.tcp_timestamps": _BYTE,
    "net.ipv4.tcp_rfc1337": _BYTE,
    "net.ipv4.tcp_retries2": _BYTE,
    "net.ipv4.tcp_abort_on_overflow": _BYTE,
    "net.ipv4.tcp_syncookies": _BYTE,
    "net.ipv4.tcp_max_tw_buckets": _INT,
    "net.ipv4.tcp_max_syn_backlog": _INT,
    "net.core.somaxconn": _NATURAL,
    "net.core.netdev_max_backlog": _NATURAL_READ,
    "net.ipv4.ip_forward": _INT,
    "net.ipv4.conf.default.forwarding": _INT,
    "net.ipv4.conf.all.rp_filter": _INT,
    "net.ipv4.conf.default.rp_filter": _INT,
    "net.bridge.bridge-nf-call-iptables": _NATURAL_READ,
    "net.ipv4.neigh.default.gc_thresh1": _NATURAL_READ,
    "net.ipv4.neigh.default.gc_thresh2": _NATURAL_READ,
    "net.ipv4.neigh.default.gc_thresh3": _NATURAL_READ,
    "net.ipv4.vs.conntrack": _FLAG_READ,
    "net.ipv4.vs.expire_nodest_conn": _FLAG_READ,
    "net.ipv4.vs.expire_quiescent_template": _FLAG_READ,
    "net.ipv4.vs.conn_reuse_mode": Limits(handler="int", at_least=0, at_most=3, measured=False),
    "vm.overcommit_memory": Limits(handler="int", at_least=0, at_most=2, measured=False),
    "vm.panic_on_oom": Limits(handler="int", at_least=0, at_most=2, measured=False),
    "kernel.panic": Limits(handler="int", at_least=-(2**31), at_most=_INT_MAX, measured=False),
    "kernel.panic_on_oops": _NATURAL_READ,
    "kernel.keys.root_maxkeys": _POSITIVE_READ,
    "kernel.keys.root_maxbytes": _POSITIVE_READ,
    "fs.file-max": _POSITIVE_READ,
    "fs.inotify.max_user_instances": _NATURAL_READ,
    "fs.inotify.max_user_watches": _NATURAL_READ,
}
"""Keys that hold one number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """What is known of the node's kernel.

    Attributes:
        version: None where the release does not begin with a number.
        arch: as ``uname -m`` prints it; it decides the size of a page.
        live: values by key, whitespace folded; evidence for keys that this tool does not know.
        read_only: keys that even root may not write.
    """

    version: KernelVersion | None
    arch: str
    live: Mapping[str, str]
    read_only: frozenset[str] = frozenset()


def write(kernel: Kernel, key: str, value: str, before: Mapping[str, str]) -> Outcome:
    """What happens when a reader of sysctl.d writes a value and a line break to a key.

    Args:
        kernel: the node's.
        key: in dots.
        value: without blanks around it.
        before: what earlier writes have left in this and other keys; keys that nobody wrote are not there.
    """
    raw = value.encode(errors="surrogateescape")
    if key in kernel.read_only:
        return Refused("the key is read-only")
    if len(raw) > _WRITE_LIMIT:
        return Unsure("the value is longer than what is written at once")
    match key:
        case "net.ipv4.ip_local_port_range":
            outcome = _port_range(raw, before)
        case "net.ipv4.ip_local_reserved_ports":
            outcome = _port_list(raw)
        case "net.ipv4.ip_unprivileged_port_start":
            outcome = _unprivileged(raw, before)
        case _:
            limits = LIMITS.get(_INTERFACE.sub(r"\1.default.", key))
            outcome = _number(kernel, key, raw, limits) if limits else _by_evidence(kernel, key, value)
    return outcome


def _number(kernel: Kernel, key: str, raw: bytes, limits: Limits) -> Outcome:
    try:
        (number,) = _numbers(raw, 1)
    except ValueError as error:
        return Refused(str(error))
    negative = raw.lstrip(_LEADING).startswith(b"-")
    if limits.at_least <= number <= limits.at_most and not (negative and limits.handler == "byte"):
        return _printed(kernel, key, number)
    beyond = _WRONG_SECONDS if limits.handler == "seconds" else _INT_MAX
    recent = limits.measured and kernel.version is not None and kernel.version >= MEASURED_ON
    if limits.handler == "seconds":
        sure = abs(number) > beyond
    else:
        sure = recent or (abs(number) > beyond + 1 and key != "fs.file-max")
    if sure:
        return Refused(f"{number} is out of the kernel's range")
    return Unsure(f"{number} is refused by some kernels and taken by others")


def _printed(kernel: Kernel, key: str, number: int) -> Outcome:
    if key.startswith(BRIDGE):
        return Accepted(str(min(number, 1)))
    if key == BUCKETS:
        page = _BUCKETS_A_PAGE.get(kernel.arch, _BUCKETS_ANY_PAGE)
        rounded = whole_pages(number, page)
        if rounded != number and kernel.arch not in _BUCKETS_A_PAGE:
            return Unsure(f"{number} buckets are rounded up to whole pages, whose size is not known for {kernel.arch}")
        return Accepted(str(rounded))
    return Accepted(str(number))


def whole_pages(buckets: int, page: int = _BUCKETS_A_PAGE["x86_64"]) -> int:
    """The size of the hash table that the kernel makes: 100000 buckets become 100352 where a page holds 512."""
    return -(-buckets // page) * page


def _port_range(raw: bytes, before: Mapping[str, str]) -> Outcome:
    old = before.get(PORT_RANGE, "32768 60999").split()
    tokens = _TOKEN.findall(raw.lstrip(_LEADING))
    try:
        # One number alone takes the place of the first and leaves the second.
        first, last = _numbers(raw, 2) if len(tokens) > 1 else (*_numbers(raw, 1), int(old[1]))
    except ValueError as error:
        return Refused(str(error))
    if not (0 < first <= _MAX_PORT and 0 < last <= _MAX_PORT):
        return Refused(f"{first} {last} are not both ports")
    if first > last:
        return Refused(f"{first} {last} begins above its end")
    unprivileged = before.get(UNPRIVILEGED, "1024")
    if first < int(unprivileged):
        return Refused(f"{first} is below ip_unprivileged_port_start, {unprivileged}")
    return Accepted(f"{first} {last}")


def _unprivileged(raw: bytes, before: Mapping[str, str]) -> Outcome:
    try:
        (number,) = _numbers(raw, 1)
    except ValueError as error:
        return Refused(str(error))
    first = int(before.get(PORT_RANGE, "32768 60999").split()[0])
    if not 0 <= number <= _MAX_PORT:
        return Refused(f"{number} is not a port")
    if number > first:
        return Refused(f"{number} is above the begin of ip_local_port_range, {first}")
    return Accepted(str(number))


def _port_list(raw: bytes) -> Outcome:
    try:
        return Accepted(str(PortSet.parse(raw.decode("latin-1"))))
    except ValueError as error:
        return Refused(str(error))


def _by_evidence(kernel: Kernel, key: str, value: str) -> Outcome:
    live = kernel.live.get(key)
    if live is not None and fold(value) == live:
        return Accepted(live)
    return Unsure(f"this tool does not know which values {key} takes")


def _numbers(raw: bytes, count: int) -> tuple[int, ...]:
    tokens = _TOKEN.findall(raw.lstrip(_LEADING))[:count]
    if len(tokens) < count:
        raise ValueError("there is no number")
    return tuple(parse_number(token.decode("latin-1")) for token in tokens)
