"""What the verdicts of an audit add up to: the order, the counts and the exit code."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from fleet.model.finding import Audit, Finding, FindingStatus, HostAudit, HostStatus, Impact

FINDING_STATUSES: Final[tuple[FindingStatus, ...]] = ("fail", "error", "warn", "skip", "pass")
HOST_STATUSES: Final[tuple[HostStatus, ...]] = ("unreachable", "failed", "findings", "ok")
IMPACTS: Final[tuple[Impact, ...]] = ("critical", "high", "medium", "low")

VIOLATIONS: Final[frozenset[FindingStatus]] = frozenset({"fail", "error"})
"""The statuses that give a host the status ``findings``, and the audit exit code 3."""

NOTEWORTHY: Final[frozenset[FindingStatus]] = VIOLATIONS | {"warn"}
"""The statuses that a person should read about."""

EXIT_NOTHING_TO_REPORT: Final = 0
EXIT_HOST_NOT_CHECKED: Final = 1
EXIT_FINDINGS: Final = 3


def host_status(findings: Iterable[Finding]) -> HostStatus:
    """The status of a host that answered; a warning alone leaves it ``ok``."""
    return "findings" if any(finding.status in VIOLATIONS for finding in findings) else "ok"


def exit_code(audit: Audit) -> int:
    """The exit code of ``fleet audit``: a host that could not be checked outweighs findings."""
    statuses = {host.status for host in audit.hosts.values()}
    if statuses & {"failed", "unreachable"}:
        return EXIT_HOST_NOT_CHECKED
    return EXIT_FINDINGS if "findings" in statuses else EXIT_NOTHING_TO_REPORT


def host_counts(audit: Audit) -> dict[HostStatus, int]:
    """Hosts by status, zeros included, worst status first."""
    counts = Counter(host.status for host in audit.hosts.values())
    return {status: counts[status] for status in HOST_STATUSES}


def finding_counts(findings: Iterable[Finding]) -> dict[FindingStatus, int]:
    """Findings by status, zeros included, worst status first."""
    counts = Counter(finding.status for finding in findings)
    return {status: counts[status] for status in FINDING_STATUSES}


def severity(status: FindingStatus, impact: Impact) -> tuple[bool, int, int]:
    """Sort key, worst first: what fails or could not be judged before what only warns, then by impact."""
    return status not in VIOLATIONS, IMPACTS.index(impact), FINDING_STATUSES.index(status)


def worst_finding(host: HostAudit) -> Finding | None:
    """The finding to look at first; None where none is noteworthy."""
    noteworthy = [finding for finding in host.findings if finding.status in NOTEWORTHY]
    return min(noteworthy, key=lambda finding: severity(finding.status, finding.impact), default=None)


def worst_first(hosts: Iterable[HostAudit]) -> list[HostAudit]:
    """Hosts by status, then by their worst finding, then by how many findings they have; else in the given order."""
    return sorted(hosts, key=_badness)


def _badness(host: HostAudit) -> tuple[object, ...]:
    worst = worst_finding(host)
    counts = finding_counts(host.findings)
    return (
        HOST_STATUSES.index(host.status),
        worst is None,
        worst and severity(worst.status, worst.impact),
        *(-counts[status] for status in ("fail", "error", "warn")),
    )
