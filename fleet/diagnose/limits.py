"""What is full: the table of connections, the ports of a pod, a backlog."""

from typing import Final

from fleet.diagnose.evidence import (
    FULL,
    Evidence,
    NetworkChange,
    fullest,
    fullness,
    network_name,
    rise,
    usable_ports,
)
from fleet.diagnose.rule import Cause, several
from fleet.model.connections import PodNetwork
from fleet.model.diagnosis import CauseVerdict
from fleet.model.facts import Unavailable

_ALMOST = 0.9
_DROPS = ("drop", "early_drop")

TABLEFULL: Final = Cause(
    name="table-full",
    title="the connection tracking table is full",
    place="node",
    remedy="Raise nf_conntrack_max, and the buckets with it; where kube-proxy or k3s writes it, at their setting"
    " ('fleet audit' names it). Look for what opens so many connections: 'conntrack -L' by source address.",
    sources=("https://docs.kernel.org/networking/nf_conntrack-sysctl.html",),
)
PORT_EXHAUSTION: Final = Cause(
    name="port-exhaustion",
    title="no local port is left towards one destination",
    place="pod",
    remedy="Let the client keep its connections (a pool, HTTP keep-alive); else set net.ipv4.tcp_tw_reuse=1 or a wider"
    " ip_local_port_range in that pod's securityContext.sysctls. tcp_fin_timeout does not shorten TIME_WAIT:"
    " 'fleet prove -s port-exhaustion' shows it.",
    sources=("https://docs.kernel.org/networking/ip-sysctl.html",),
)
BACKLOG: Final = Cause(
    name="backlog-overflow",
    title="a server does not accept as fast as clients connect",
    place="application",
    remedy="Let the application accept faster, or listen with a larger backlog; the limit is net.core.somaxconn of its"
    " own pod (securityContext.sysctls), not the node's.",
    sources=("https://docs.kernel.org/networking/snmp_counter.html",),
)


def table_full(evidence: Evidence) -> CauseVerdict:
    """Judge by drops between the readings and by how full the table is."""
    first, second = evidence.first.counters, evidence.second.counters
    if isinstance(second.conntrack, Unavailable) or isinstance(first.conntrack, Unavailable):
        if isinstance(second.conntrack, Unavailable) and second.conntrack.detail == "nf_conntrack":
            return TABLEFULL.is_("excluded", "the node tracks no connections: nf_conntrack is not loaded")
        return TABLEFULL.is_("cannot tell", f"conntrack's counters could not be read: {second.conntrack}")
    drops = {name: rise(first.conntrack, second.conntrack, name) for name in _DROPS}
    level = max(fullness(evidence.first), fullness(evidence.second))
    told = f"{second.entries} of {second.most} entries are in use"
    moved = ", ".join(f"{name} rose by {count}" for name, count in drops.items() if count)
    if moved and level >= _ALMOST:
        return TABLEFULL.is_("confirmed", f"conntrack's {moved}", told)
    if moved:
        why = "the table is not full now: a burst may have passed, or packets were dropped for another reason"
        return TABLEFULL.is_("cannot tell", f"conntrack's {moved}", told, why)
    if level >= FULL:
        return TABLEFULL.is_("likely", told, "above 95 % the kernel evicts half-closed connections")
    past = second.conntrack.get("drop", 0)
    since = (f"{several(past, 'packet')} dropped since the boot, none of them between the readings",) if past else ()
    return TABLEFULL.is_("excluded", told, *since)


def port_exhaustion(evidence: Evidence) -> CauseVerdict:
    """Judge by the local ports in use towards one destination, in each namespace of either reading."""
    networks = evidence.networks()
    if isinstance(networks, Unavailable):
        return PORT_EXHAUSTION.unread(networks)
    lines: list[str] = []
    is_out = False
    for change in networks:
        for network in (change.after, change.before):
            line, without_port = _ports_used(network)
            if line:
                lines.append(line)
                is_out = is_out or without_port
                break
    if lines:
        return PORT_EXHAUSTION.is_("confirmed" if is_out else "likely", *lines)
    most = f"no namespace of {len(networks)} uses {_ALMOST:.0%} of its ports towards one destination"
    return PORT_EXHAUSTION.is_("excluded", most)


def backlog(evidence: Evidence) -> CauseVerdict:
    """Judge by ListenOverflows of each namespace; the node's own needs no root."""
    networks = evidence.networks()
    if isinstance(networks, Unavailable):
        first, second = evidence.first.counters.counters, evidence.second.counters.counters
        own = rise(first, second, "TcpExtListenOverflows")
        if own:
            return BACKLOG.is_("confirmed", f"the node itself turned away {several(own, 'connection')}")
        return BACKLOG.unread(networks)
    lines = [
        f"{change.name}: ListenOverflows rose by {count}; it listens on {_listening(change)}"
        for change in networks
        if (count := change.rose("TcpExtListenOverflows"))
    ]
    if lines:
        return BACKLOG.is_("confirmed", *lines)
    return BACKLOG.is_("excluded", f"ListenOverflows rose in none of {several(len(networks), 'namespace')}")


def _ports_used(network: PodNetwork) -> tuple[str, bool]:
    """What to say of the fullest destination, and whether the next connect to it gets no port."""
    use, usable = fullest(network), usable_ports(network)
    if use is None or not usable:
        return "", False
    # With tcp_tw_reuse a connect takes a port that has been in TIME_WAIT for a second.
    taken = use.used - use.waiting if network.reuses_waiting else use.used
    if taken < _ALMOST * usable:
        return "", False
    line = (
        f"{network_name(network)}: {use.used} of {usable} ports are in use towards {use.destination},"
        f" {use.waiting} of them in TIME_WAIT"
    )
    return line, taken >= usable


def _listening(change: NetworkChange) -> str:
    ports = sorted(change.after.listening)
    return ", ".join(map(str, ports[:8])) + (", ..." if len(ports) > 8 else "") or "no port now"  # noqa: PLR2004
