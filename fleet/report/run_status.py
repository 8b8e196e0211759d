"""What an apply or a rollback adds up to: the order of its hosts, their counts and the exit code."""

from collections import Counter
from typing import Final

from fleet.model.rollout import HostRun, HostRunStatus, RunResult
from fleet.report.status import EXIT_HOST_NOT_CHECKED, EXIT_NOTHING_TO_REPORT

EXIT_STOPPED: Final = 4
EXIT_INTERRUPTED: Final = 130

RUN_STATUSES: Final[tuple[HostRunStatus, ...]] = (
    "unreachable",
    "failed",
    "undone",
    "not-reached",
    "changed",
    "noop",
)
"""Worst first."""

RUN_WORDS: Final[dict[HostRunStatus, str]] = {
    "unreachable": "unreachable",
    "failed": "failed",
    "undone": "undone",
    "not-reached": "not reached",
    "changed": "changed",
    "noop": "without changes",
}
"""What follows a number of hosts."""


def run_exit_code(result: RunResult) -> int:
    """The exit code of ``fleet apply`` and ``fleet rollback``: a stop outweighs a host that failed."""
    if result.status == "interrupted":
        return EXIT_INTERRUPTED
    if result.status in {"stopped", "undone"}:
        return EXIT_STOPPED
    if result.status == "done" and all(went_well(result, host) for host in result.hosts.values()):
        return EXIT_NOTHING_TO_REPORT
    return EXIT_HOST_NOT_CHECKED


def went_well(result: RunResult, host: HostRun) -> bool:
    """Whether a host came to what was asked for; of a rollback that is the state before."""
    if host.status == "noop":
        return True
    return (host.status, host.node) == (("undone", "before") if result.kind == "rollback" else ("changed", "after"))


def run_counts(result: RunResult) -> dict[HostRunStatus, int]:
    """Hosts by status, zeros included, worst status first."""
    counts = Counter(host.status for host in result.hosts.values())
    return {status: counts[status] for status in RUN_STATUSES}


def run_worst_first(result: RunResult) -> list[HostRun]:
    """Hosts by status; else in the order of the inventory."""
    return sorted(result.hosts.values(), key=lambda host: (went_well(result, host), RUN_STATUSES.index(host.status)))
