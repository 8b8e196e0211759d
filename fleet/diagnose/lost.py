"""Connections that both ends have and the node has forgotten."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from fleet.diagnose.evidence import FULL, Evidence, FourTuple, NetworkChange, Table, fullness, kept_sockets
from fleet.diagnose.middleware import advice
from fleet.diagnose.rule import Cause, several
from fleet.model.connections import SocketAddress
from fleet.model.diagnosis import CauseVerdict
from fleet.model.facts import NodeFacts, Unavailable

_ESTABLISHED = "net.netfilter.nf_conntrack_tcp_timeout_established"
_CLOSE_WAIT = "net.netfilter.nf_conntrack_tcp_timeout_close_wait"
CLOSE: Final = "net.netfilter.nf_conntrack_tcp_timeout_close"
"""How long the entry of a connection that was reset stays, in seconds."""

_CONNTRACK = "https://docs.kernel.org/networking/nf_conntrack-sysctl.html"
_MOST_NAMED = 3

ENTRY_LOST: Final = Cause(
    name="entry-lost",
    title="the node forgot a live connection",
    place="application",
    remedy="Let the application send keepalives sooner than the shortest timeout on the way (600 s is a common choice),"
    " by its own option or the pod's securityContext.sysctls; look for what flushes the table (conntrack -F, a restart"
    " of a CNI plugin). be_liberal does not help: 'fleet prove -s timeout-server-first' shows it.",
    sources=(_CONNTRACK, "https://github.com/kubernetes/kubernetes/issues/74839"),
)
HALF_CLOSED: Final = Cause(
    name="half-closed",
    title="the node forgot a half-closed connection",
    place="node",
    remedy="Set nf_conntrack_tcp_timeout_close_wait to more than the slowest answer takes (kube-proxy sets 3600,"
    " the kernel 60); keep the table below 95 %, above which the kernel evicts half-closed connections.",
    sources=(_CONNTRACK,),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signs:
    """What each reading showed.

    Attributes:
        forgotten: services of connections whose entry went between the readings, while both readings have the socket.
        missing: services of connections without an entry in both readings.
        vanished: services of connections that are gone together with their entry. One that was closed, even by a RST
            that belongs to it, leaves its entry for some time.
    """

    forgotten: tuple[SocketAddress, ...] = ()
    missing: tuple[SocketAddress, ...] = ()
    vanished: tuple[SocketAddress, ...] = ()


def entry_lost(evidence: Evidence) -> CauseVerdict:
    """Judge established connections."""
    seen = _read(evidence)
    if isinstance(seen, Unavailable):
        return _unread(ENTRY_LOST, seen)
    networks, before, after = seen
    signs = _signs(evidence, networks, before, after, half_closed=False)
    lines = [
        *_line(signs.forgotten, "lost its entry between the readings while the client still has it"),
        *_line(signs.vanished, "ended without a trace: its entry was gone before"),
    ]
    if lines:
        told = advice((*signs.forgotten, *signs.vanished))
        return ENTRY_LOST.is_("confirmed", *lines, _timeout(evidence.facts, _ESTABLISHED), *told)
    if signs.missing:
        line = _line(signs.missing, "has no entry, though others to the same address have one")
        return ENTRY_LOST.is_("likely", *line, _timeout(evidence.facts, _ESTABLISHED), *advice(signs.missing))
    sockets = sum(socket.state == "established" for network in networks for socket in network.after.sockets)
    return ENTRY_LOST.is_(
        "excluded", f"of {several(sockets, 'established socket')} none through a Service lacks its entry"
    )


def half_closed(evidence: Evidence) -> CauseVerdict:
    """Judge connections of which one end has said all and waits for the answer."""
    seen = _read(evidence)
    if isinstance(seen, Unavailable):
        return _unread(HALF_CLOSED, seen)
    networks, before, after = seen
    signs = _signs(evidence, networks, before, after, half_closed=True)
    lines = [
        *_line(signs.forgotten, "lost its entry between the readings while the client waits for the answer"),
        *_line(signs.vanished, "ended without a trace while half-closed: its entry was gone before"),
    ]
    timeout = _timeout(evidence.facts, _CLOSE_WAIT)
    if lines:
        return HALF_CLOSED.is_("confirmed", *lines, timeout)
    if signs.missing:
        line = _line(signs.missing, "waits half-closed without an entry, though others to the same address have one")
        return HALF_CLOSED.is_("likely", *line, timeout)
    return HALF_CLOSED.is_("excluded", "no client waits on a half-closed connection that has lost its entry")


def _read(evidence: Evidence) -> tuple[tuple[NetworkChange, ...], Table, Table] | Unavailable:
    networks, tables = evidence.networks(), evidence.tables()
    if isinstance(networks, Unavailable):
        return networks
    return tables if isinstance(tables, Unavailable) else (networks, *tables)


def _unread(cause: Cause, why: Unavailable) -> CauseVerdict:
    if why.detail == "nf_conntrack":
        return cause.is_("excluded", "the node tracks no connections: nf_conntrack is not loaded")
    return cause.unread(why)


def _signs(
    evidence: Evidence, networks: Iterable[NetworkChange], before: Table, after: Table, *, half_closed: bool
) -> _Signs:
    state = "fin-wait-2" if half_closed else "established"
    forgotten, missing = [], []
    for change in networks:
        for _, socket in kept_sockets(change):
            if socket.state != state or not socket.owned or after.of(socket):
                continue
            entry = before.of(socket)
            # Only a client's packets need the entry to find their way; and only translated ones.
            if entry is not None and entry.is_translated and entry.source == socket.local:
                forgotten.append(socket.remote)
            elif entry is None and socket.remote in before.translated | after.translated:
                missing.append(socket.remote)
    vanished = _vanished(evidence, networks, before, after, half_closed=half_closed)
    return _Signs(forgotten=tuple(forgotten), missing=tuple(missing), vanished=tuple(vanished))


def _vanished(
    evidence: Evidence, networks: Iterable[NetworkChange], before: Table, after: Table, *, half_closed: bool
) -> Iterable[SocketAddress]:
    if not _traces_stay(evidence):
        return ()
    found: dict[FourTuple, bool] = {}
    kept: set[FourTuple] = set()
    for change in networks:
        left = {(socket.local, socket.remote) for socket in change.after.sockets}
        for socket in change.before.sockets:
            entry = before.of(socket)
            if entry is None or not entry.is_translated or after.of(socket):
                continue
            ends = (entry.source, entry.destination)
            if (socket.local, socket.remote) in left and socket.local == entry.source:
                kept.add(ends)  # the client has it still: it is told apart as forgotten
            elif (socket.local, socket.remote) not in left:
                # Either end may tell that it is half-closed.
                found[ends] = found.get(ends, False) or socket.state != "established"
    return [ends[1] for ends, is_half in found.items() if is_half == half_closed and ends not in kept]


def _traces_stay(evidence: Evidence) -> bool:
    """Whether the entry of a connection that was closed between the readings is still there at the second one.

    Of those that are closed the kernel forgets one that was reset first; and of a table that is almost full, any.
    """
    sysctl = evidence.facts.sysctls.get(CLOSE)
    lasts = sysctl.value if sysctl is not None else ""
    first, second = evidence.first.connections, evidence.second.connections
    if isinstance(first, Unavailable) or isinstance(second, Unavailable):
        return False
    is_short = isinstance(lasts, str) and lasts.isdigit() and second.ended - first.began < int(lasts)
    return is_short and max(fullness(evidence.first), fullness(evidence.second)) < FULL


def _line(ends: Iterable[SocketAddress], what: str) -> list[str]:
    """One sentence for all of them, with the addresses that most have."""
    counts = Counter(ends)
    if not counts:
        return []
    total = counts.total()
    places = ", ".join(f"{end} ({count})" for end, count in counts.most_common(_MOST_NAMED))
    more = f" and {len(counts) - _MOST_NAMED} more addresses" if len(counts) > _MOST_NAMED else ""
    return [f"{several(total, 'connection')}: each {what}: {places}{more}"]


def _timeout(facts: NodeFacts, key: str) -> str:
    sysctl = facts.sysctls.get(key)
    value = "not read" if sysctl is None else str(sysctl.value)
    return f"{key} is {value}"
