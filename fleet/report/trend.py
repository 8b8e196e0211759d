"""What an audit comes to, in the few numbers that are drawn over time."""

from fleet.model.finding import Audit
from fleet.model.trend import TrendPoint
from fleet.report.status import VIOLATIONS, host_counts
from fleet.report.usage import fleet_usage


def trend_point(audit: Audit) -> TrendPoint:
    """What an audit came to."""
    counts = host_counts(audit)
    usage = fleet_usage(audit)
    return TrendPoint(
        run_id=audit.run_id,
        started=audit.started,
        hosts=len(audit.hosts),
        with_findings=counts["findings"],
        unchecked=counts["failed"] + counts["unreachable"],
        violations=sum(finding.status in VIOLATIONS for host in audit.hosts.values() for finding in host.findings),
        usage_median=usage.median if usage else None,
        usage_highest=usage.highest if usage else None,
    )
