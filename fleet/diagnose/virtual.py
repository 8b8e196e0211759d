"""Connections through IPVS, which has a table and timeouts of its own."""

from typing import Final

from fleet.diagnose.evidence import Evidence, FourTuple, Reading, kept_sockets
from fleet.diagnose.middleware import advice
from fleet.diagnose.rule import Cause, several
from fleet.model.connections import SocketAddress
from fleet.model.diagnosis import CauseVerdict
from fleet.model.facts import NodeFacts, Unavailable

IPVS_IDLE: Final = Cause(
    name="ipvs-idle",
    title="IPVS forgot an idle connection",
    place="application",
    remedy="Let the application send keepalives sooner than IPVS's tcp timeout (600 s for 900 s), or raise it:"
    " kube-proxy's ipvs.tcpTimeout ('ipvsadm --set' lasts until the next boot only).",
    sources=("https://kubernetes.io/docs/reference/config-api/kube-proxy-config.v1alpha1/",),
)


def ipvs_idle(evidence: Evidence) -> CauseVerdict:
    """Judge by clients' connections to virtual services that IPVS knows no more."""
    services = evidence.facts.ipvs.services
    if isinstance(services, Unavailable) and services.detail == "ip_vs":
        return IPVS_IDLE.is_("excluded", "IPVS is not loaded")
    networks = evidence.networks()
    if isinstance(networks, Unavailable):
        return IPVS_IDLE.unread(networks)
    first, second = (_ipvs(reading) for reading in (evidence.first, evidence.second))
    virtual = _services(evidence.second)
    if not virtual:
        return IPVS_IDLE.is_("excluded", "IPVS has no virtual service")
    through = [
        (later, (later.local, later.remote))
        for change in networks
        for _, later in kept_sockets(change)
        if later.state == "established" and later.remote in virtual
    ]
    gone = [(socket, ends) for socket, ends in through if ends not in second]
    if not gone:
        return IPVS_IDLE.is_("excluded", f"IPVS knows all of {several(len(through), 'connection')} to its services")
    forgotten = sum(ends in first for _, ends in gone)
    silent = sum(socket.keepalive is None for socket, _ in gone)
    missing = (
        f"{several(len(gone), 'connection')} to a virtual service {'is' if len(gone) == 1 else 'are'} not in IPVS's"
        f" table, such as the one to {gone[0][0].remote}; {silent} of them send no keepalive"
    )
    lines = (missing, _timeout(evidence.facts), *advice(socket.remote for socket, _ in gone))
    if forgotten:
        return IPVS_IDLE.is_("confirmed", f"{forgotten} of them left the table between the readings", *lines)
    return IPVS_IDLE.is_("likely", *lines)


def _ipvs(reading: Reading) -> frozenset[FourTuple]:
    return frozenset() if isinstance(reading.connections, Unavailable) else reading.connections.ipvs


def _services(reading: Reading) -> frozenset[SocketAddress]:
    return frozenset() if isinstance(reading.connections, Unavailable) else reading.connections.services


def _timeout(facts: NodeFacts) -> str:
    timeouts = facts.ipvs.timeouts
    if isinstance(timeouts, Unavailable):
        return f"IPVS's timeouts could not be read: {timeouts}"
    return f"IPVS's tcp timeout is {timeouts.tcp} s"
