"""What a plan adds up to: the order of its hosts, and the exit code."""

from typing import Final

from fleet.plan import HostPlan, Plan
from fleet.plan.model import PlanStatus
from fleet.report.status import EXIT_FINDINGS, EXIT_HOST_NOT_CHECKED, EXIT_NOTHING_TO_REPORT

PLAN_STATUSES: Final[tuple[PlanStatus, ...]] = ("unreachable", "failed", "refused", "changes", "none")
"""Worst first."""

PLAN_WORDS: Final[dict[PlanStatus, str]] = {
    "unreachable": "unreachable",
    "failed": "failed",
    "refused": "with refusals",
    "changes": "to change",
    "none": "without changes",
}
"""What follows a number of hosts."""


def plan_exit_code(plan: Plan) -> int:
    """The exit code of ``fleet plan``: a host that could not be planned as a whole outweighs changes."""
    statuses = {host.status for host in plan.hosts.values()}
    if statuses & {"failed", "unreachable", "refused"}:
        return EXIT_HOST_NOT_CHECKED
    return EXIT_FINDINGS if "changes" in statuses else EXIT_NOTHING_TO_REPORT


def tally(host: HostPlan) -> str:
    """What is to be done on a host, in numbers."""
    if host.plan is None:
        return ""
    parts = (
        (len(host.plan.changes), "change", "changes"),
        (len(host.plan.remedies), "remedy in the cluster", "remedies in the cluster"),
        (len(host.plan.refused), "refusal", "refusals"),
        (len(host.plan.risks), "risk", "risks"),
    )
    return ", ".join(f"{count} {one if count == 1 else many}" for count, one, many in parts if count) or "no change"
