"""What a drift check adds up to: the order of its hosts, their counts and the exit code."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from fleet.model.drift import DriftItem, DriftKind, DriftReport, DriftState, DriftStatus
from fleet.report.status import EXIT_FINDINGS, EXIT_HOST_NOT_CHECKED, EXIT_NOTHING_TO_REPORT, IMPACTS

DRIFT_STATUSES: Final[tuple[DriftStatus, ...]] = ("unreachable", "failed", "drift", "ok")
"""Worst first."""

DRIFT_STATES: Final[tuple[DriftState, ...]] = ("open", "closed", "noted")

KIND_WORDS: Final[dict[DriftKind, str]] = {
    "drift": "drift",
    "writer": "expected writer",
    "rebooted": "rebooted",
    "playbook": "changed playbook",
    "new-node": "new node",
    "reformatted": "re-formatted",
    "unknown": "unknown cause",
}
"""Worst first."""

_KINDS: Final = tuple(KIND_WORDS)


def drift_exit_code(report: DriftReport) -> int:
    """The exit code of ``fleet drift``: a host that could not be checked outweighs open drift."""
    statuses = {host.status for host in report.hosts.values()}
    if statuses & {"failed", "unreachable"}:
        return EXIT_HOST_NOT_CHECKED
    return EXIT_FINDINGS if "drift" in statuses else EXIT_NOTHING_TO_REPORT


def drift_counts(report: DriftReport) -> dict[DriftStatus, int]:
    """Hosts by status, zeros included, worst status first."""
    counts = Counter(host.status for host in report.hosts.values())
    return {status: counts[status] for status in DRIFT_STATUSES}


def drift_items(report: DriftReport, state: DriftState) -> Sequence[DriftItem]:
    """Items of one state, worst first: by kind, by impact, then as the inventory has their hosts."""
    found = [item for host in report.hosts.values() for item in host.items if item.state == state]
    return sorted(found, key=lambda item: (_KINDS.index(item.deviation.kind), IMPACTS.index(item.deviation.impact)))


def is_as_before(report: DriftReport) -> bool:
    """Whether the check before has told all of this, and no host is missing."""
    statuses = {host.status for host in report.hosts.values()}
    items = [item for host in report.hosts.values() for item in host.items]
    # What was not told before is new or noted; without a history nothing is known of before.
    return (
        not report.notes
        and not statuses & {"failed", "unreachable"}
        and all(item.state == "open" and not is_new(item, report) for item in items)
    )


def is_new(item: DriftItem, report: DriftReport) -> bool:
    """Whether an open item was opened by this very check."""
    return item.first_seen == report.started
