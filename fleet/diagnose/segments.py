"""Segments that connection tracking calls INVALID, and the RST that answers them."""

from collections.abc import Iterator
from typing import Final

from fleet.diagnose.evidence import Evidence, NetworkChange, rise
from fleet.diagnose.rule import Cause, several
from fleet.kernel.invalid import BE_LIBERAL, invalid_rule_state
from fleet.model.diagnosis import CauseVerdict
from fleet.model.facts import Unavailable

# A segment is counted once, and the RST that answers it is INVALID as well.
_PER_RESET = 2

INVALID_SEGMENT: Final = Cause(
    name="invalid-segment",
    title="a segment out of the window is not translated back, and its receiver resets",
    place="node",
    remedy="Set nf_conntrack_tcp_be_liberal=1 ('fleet plan' with the playbook stop-conntrack-resets), or have"
    " kube-proxy drop INVALID segments; 'fleet prove -s above-window' shows both.",
    sources=(
        "https://github.com/kubernetes/kubernetes/issues/74839",
        "https://github.com/kubernetes/kubernetes/pull/120412",
    ),
)


def invalid_segment(evidence: Evidence) -> CauseVerdict:
    """Judge by the INVALID counter, by what protects the node, and by what became of connections."""
    before, after = evidence.first.counters.conntrack, evidence.second.counters.conntrack
    if isinstance(after, Unavailable) or isinstance(before, Unavailable):
        if isinstance(after, Unavailable) and after.detail == "nf_conntrack":
            return INVALID_SEGMENT.is_("excluded", "the node tracks no connections: nf_conntrack is not loaded")
        return INVALID_SEGMENT.is_("cannot tell", f"conntrack's counters could not be read: {after}")
    invalid = rise(before, after, "invalid")
    protection, guards = _protection(evidence)
    seen = (f"the node counted {several(invalid, 'INVALID segment')}", protection, *_dropped(evidence))
    # A rule is about what is forwarded, so that a client with hostNetwork may show it in spite of one.
    if invalid and not _is_liberal(evidence) and (count := _severed(evidence)):
        line = (
            f"{several(count, 'connection')} lost an end while the node's entry stayed ESTABLISHED: the RST was not"
            " taken for the connection's own"
        )
        return INVALID_SEGMENT.is_("confirmed", *seen, line)
    if guards or invalid < _PER_RESET:
        return INVALID_SEGMENT.is_("excluded", *seen)
    return _by_counters(evidence.networks(), seen)


def _by_counters(networks: tuple[NetworkChange, ...] | Unavailable, seen: tuple[str, ...]) -> CauseVerdict:
    """What is left to judge by where no connection shows it: who answered with a RST."""
    if isinstance(networks, Unavailable):
        return INVALID_SEGMENT.is_("cannot tell", *seen, f"whether a pod was reset could not be read: {networks}")
    strays = sum(change.strays for change in networks)
    aborts = sum(change.aborts for change in networks)
    if not strays:
        return INVALID_SEGMENT.is_("excluded", *seen, "no pod answered a segment of no connection of its with a RST")
    answered = f"pods answered {several(strays, 'segment')} of no connection of theirs with a RST"
    if aborts:
        aborted = f"applications ended {several(aborts, 'connection')} themselves, which has the same effect"
        return INVALID_SEGMENT.is_("cannot tell", *seen, answered, aborted)
    return INVALID_SEGMENT.is_("likely", *seen, answered)


def _severed(evidence: Evidence) -> int:
    """Connections of which an end is gone, without a FIN or RST that belongs to them.

    The RST that ends such a connection goes between addresses that no entry has, so that the entry stays.
    """
    networks, tables = evidence.networks(), evidence.tables()
    if isinstance(networks, Unavailable) or isinstance(tables, Unavailable):
        return 0
    before, after = tables
    severed = set()
    for change in networks:
        left = {(socket.local, socket.remote) for socket in change.after.sockets}
        for socket in change.before.sockets:
            entry, then = after.of(socket), before.of(socket)
            if (
                socket.state == "established"
                and (socket.local, socket.remote) not in left
                and entry is not None
                and entry.is_translated
                and entry.state == "ESTABLISHED"
                and then is not None
                and then.state == "ESTABLISHED"
            ):
                severed.add((entry.source, entry.destination))
    return len(severed)


def _dropped(evidence: Evidence) -> Iterator[str]:
    """What the rules against INVALID segments did, by their own counters."""
    first, second = evidence.first.connections, evidence.second.connections
    if isinstance(first, Unavailable) or isinstance(second, Unavailable):
        return
    for rule in second.invalid_drops:
        if count := rise(first.invalid_drops, second.invalid_drops, rule):
            yield f"{several(count, 'packet')} dropped by: {rule}"


def _is_liberal(evidence: Evidence) -> bool:
    liberal = evidence.facts.sysctls.get(BE_LIBERAL)
    return liberal is not None and isinstance(liberal.value, str) and liberal.value != "0"


def _protection(evidence: Evidence) -> tuple[str, bool]:
    """What keeps INVALID segments from doing harm, in words, and whether anything does."""
    liberal = evidence.facts.sysctls.get(BE_LIBERAL)
    if _is_liberal(evidence):
        return f"{BE_LIBERAL} is set: no segment is INVALID for being out of the window", True
    rule = invalid_rule_state(evidence.facts)
    if rule is True:
        return "a rule drops INVALID segments that are forwarded, which is no help to pods with hostNetwork", True
    missing = f"whether a rule drops INVALID segments could not be read: {rule}" if rule else "no rule drops them"
    value = "not read" if liberal is None else str(liberal.value)
    return f"{BE_LIBERAL} is {value}, and {missing}", False
