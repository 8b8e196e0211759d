"""Connections that their own ends break, or that break on the way beyond the node."""

from collections.abc import Callable
from typing import Final

from fleet.diagnose.evidence import Evidence, NetworkChange
from fleet.diagnose.rule import Cause, several
from fleet.model.diagnosis import CauseVerdict
from fleet.model.facts import Unavailable

_SNMP = "https://docs.kernel.org/networking/snmp_counter.html"

APPLICATION: Final = Cause(
    name="application-reset",
    title="an application resets its own connections",
    place="application",
    remedy="Not a node problem. Look at that application: it closes with data unread, or with SO_LINGER 0. A probe that"
    " hangs up without reading the answer does so at a fixed interval: 'fleet diagnose --log FILE' looks for one.",
    sources=(f"{_SNMP}#tcp-abort",),
)
REFUSED: Final = Cause(
    name="refused",
    title="connections are refused: nobody listens there",
    place="elsewhere",
    remedy="Not a node problem. Look at the endpoints of the Service while a rollout runs, at readiness probes and at a"
    " missing preStop: 'fleet diagnose --kubernetes FILE' reads them.",
    sources=("https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.1",),
)
SILENT: Final = Cause(
    name="silent-peer",
    title="the other end fell silent",
    place="elsewhere",
    remedy="Not a node problem as far as it shows. Look for what drops idle connections without a word: a cloud load"
    " balancer (Azure 4 minutes, AWS NLB 350 s), a firewall, a peer that was switched off. A keepalive below its limit"
    " helps.",
    sources=(
        f"{_SNMP}#tcp-abort",
        "https://docs.aws.amazon.com/elasticloadbalancing/latest/network/network-load-balancers.html",
    ),
)
UNEXPLAINED: Final = Cause(
    name="unexplained",
    title="resets that no other cause explains",
    place="elsewhere",
    remedy="",
    sources=(f"{_SNMP}#tcp-abort",),
)


def application_reset(evidence: Evidence) -> CauseVerdict:
    """Judge by the RSTs that applications caused themselves."""
    return _counted(evidence, APPLICATION, lambda change: change.aborts, "{name}: its application reset {count}")


def refused(evidence: Evidence) -> CauseVerdict:
    """Judge by connects that were answered with a RST."""
    return _counted(evidence, REFUSED, _refused, "{name}: {count} it asked for refused")


def silent_peer(evidence: Evidence) -> CauseVerdict:
    """Judge by connections that the kernel gave up, because nothing was acknowledged any more."""
    text = "{name}: {count} given up after probes or retransmissions without an answer"
    return _counted(evidence, SILENT, lambda change: change.rose("TcpExtTCPAbortOnTimeout"), text)


def unexplained(evidence: Evidence, named: bool) -> CauseVerdict:  # noqa: FBT001 # the rest of the rules' sum
    """Say what is left where no cause was named, so that silence is not taken for health."""
    networks = evidence.networks()
    if isinstance(networks, Unavailable):
        return UNEXPLAINED.unread(networks)
    ended = [change for change in networks if change.after.inode and change.ended]
    if named or not ended:
        return UNEXPLAINED.is_("excluded", "no pod's connection was reset by its peer without a named cause")
    lines = [f"{change.name}: {several(change.ended, 'connection')} ended by the peer's RST" for change in ended]
    hint = "a capture shows who sends them: tcpdump -ni any 'tcp[tcpflags] & tcp-rst != 0'"
    return UNEXPLAINED.is_("cannot tell", *lines, hint)


def _refused(change: NetworkChange) -> int:
    return max(0, change.rose("TcpAttemptFails") - change.rose("TcpExtTCPAbortOnTimeout"))


def _counted(evidence: Evidence, cause: Cause, count: Callable[[NetworkChange], int], text: str) -> CauseVerdict:
    networks = evidence.networks()
    if isinstance(networks, Unavailable):
        return cause.unread(networks)
    found = sorted(((count(change), change.name) for change in networks if count(change)), reverse=True)
    if not found:
        return cause.is_("excluded", f"counted in none of {several(len(networks), 'namespace')}")
    return cause.is_(
        "confirmed", *(text.format(name=name, count=several(number, "connection")) for number, name in found)
    )
