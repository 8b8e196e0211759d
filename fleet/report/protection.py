"""What keeps INVALID segments from resetting connections, now and later, told once for hosts alike."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fleet.model.finding import Audit, HostAudit, Moment, Protection
from fleet.report.likeness import gist
from fleet.report.words import MOMENTS

PROTECTION_TITLE = "What protects from resets by INVALID segments"
_UNPROTECTED = "unprotected"
_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectionGroup:
    """Hosts that are protected alike.

    Attributes:
        guards: what protects them at each of the ``MOMENTS``, such as ``be_liberal``.
        reasons: moments in words, and why they are not protected then or why it is not known, as on the first host;
            without those that a finding gives already.
        hosts: inventory names, in the audit's order.
    """

    guards: tuple[str, ...]
    reasons: tuple[tuple[str, str], ...]
    hosts: tuple[str, ...]


def protection_groups(audit: Audit, *, everything: bool) -> tuple[ProtectionGroup, ...]:
    """Nodes of Kubernetes by what protects them, the unprotected first.

    Args:
        audit: of any hosts.
        everything: also those that one thing protects at every moment.
    """
    alike: dict[object, list[str]] = defaultdict(list)
    told: dict[object, ProtectionGroup] = {}
    for name, host in audit.hosts.items():
        if host.protection is None or _is_no_node(host):
            continue
        guards = tuple(_guard(host.protection[moment]) for moment in MOMENTS)
        if not everything and len(set(guards)) == 1 and guards[0] not in {_UNPROTECTED, _UNKNOWN}:
            continue
        reasons = tuple(_untold(host, host.protection))
        matter = (guards, tuple((moment, gist(reason)) for moment, reason in reasons))
        alike[matter].append(name)
        told.setdefault(matter, ProtectionGroup(guards=guards, reasons=reasons, hosts=()))
    groups = [
        ProtectionGroup(guards=told[matter].guards, reasons=told[matter].reasons, hosts=tuple(names))
        for matter, names in alike.items()
    ]
    return tuple(sorted(groups, key=lambda group: (_badness(group.guards), -len(group.hosts))))


def by_guards(groups: Iterable[ProtectionGroup]) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """What protects at each moment, and all hosts of which that is true, whatever the reasons."""
    alike: dict[tuple[str, ...], tuple[str, ...]] = {}
    for group in groups:
        alike[group.guards] = alike.get(group.guards, ()) + group.hosts
    return [*alike.items()]


def _is_no_node(host: HostAudit) -> bool:
    """Whether no Services are translated there, so that there is nothing to protect."""
    return host.node is not None and host.node.kubernetes == "none"


def _guard(protection: Protection) -> str:
    return protection.status.removeprefix("protected by ").removeprefix("the ")


def _untold(host: HostAudit, protection: Mapping[Moment, Protection]) -> list[tuple[str, str]]:
    told = [finding.reason for finding in host.findings if finding.status != "pass"]
    reasons: dict[str, tuple[str, list[str]]] = {}
    for moment, words in MOMENTS.items():
        each = protection[moment]
        if each.status in {_UNPROTECTED, _UNKNOWN} and not any(each.reason in reason for reason in told):
            # What follows in brackets is from what it is known: the first moment's will do for the others.
            fact, _, _ = each.reason.partition(" (")
            reasons.setdefault(fact, (each.reason, []))[1].append(words)
    return [(", ".join(moments), reason) for reason, moments in reasons.values()]


def _badness(guards: tuple[str, ...]) -> tuple[int, ...]:
    order = (_UNPROTECTED, _UNKNOWN)
    return tuple(order.index(guard) if guard in order else len(order) for guard in guards)
