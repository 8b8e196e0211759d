"""What became of each host of a run, in the few words that the history keeps beside the whole result."""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from fleet.model.finding import Audit, Failure
from fleet.model.history import HistoryHost
from fleet.report.status import VIOLATIONS

# Each command knows the one of them that it makes: an audit need not load what a plan is.
if TYPE_CHECKING:
    from fleet.model.diagnosis import CauseVerdict, Diagnosis
    from fleet.model.drift import DriftReport
    from fleet.model.rollout import RunResult
    from fleet.model.verification import Verification
    from fleet.plan import Plan

_NOT_PASSED = {"failed", "error"}


def audit_history(audit: Audit) -> tuple[HistoryHost, ...]:
    """Of an audit: findings that violate the playbook."""
    return tuple(
        HistoryHost(
            name=name,
            status=host.status,
            error=_error(host.error),
            findings=sum(finding.status in VIOLATIONS for finding in host.findings),
        )
        for name, host in audit.hosts.items()
    )


def plan_history(plan: "Plan") -> tuple[HistoryHost, ...]:
    """Of a plan: what it would change."""
    return tuple(
        HistoryHost(
            name=name,
            status=host.status,
            error=_error(host.error),
            changes=len(host.plan.changes) if host.plan is not None else 0,
        )
        for name, host in plan.hosts.items()
    )


def run_history(result: "RunResult") -> tuple[HistoryHost, ...]:
    """Of an apply or a rollback: what was changed, or given back."""
    return tuple(
        HistoryHost(
            name=name,
            status=host.status,
            error=f"{host.error.kind}: {host.error.message}" if host.error is not None else "",
            changes=sum(change.status in {"changed", "undone"} for change in host.changes),
        )
        for name, host in result.hosts.items()
    )


def verify_history(result: "Verification") -> tuple[HistoryHost, ...]:
    """Of a verification: tests that did not pass."""
    failed = Counter(test.host for test in result.tests if test.outcome in _NOT_PASSED)
    return tuple(
        HistoryHost(
            name=name,
            status="failed" if failure is not None else "findings" if failed[name] else "ok",
            error=_error(failure),
            findings=failed[name],
        )
        for name, failure in result.hosts.items()
    )


def drift_history(report: "DriftReport") -> tuple[HistoryHost, ...]:
    """Of a drift check: what is open."""
    return tuple(
        HistoryHost(
            name=name,
            status=host.status,
            error=_error(host.error),
            findings=sum(item.state == "open" for item in host.items),
        )
        for name, host in report.hosts.items()
    )


def diagnosis_history(diagnosis: "Diagnosis") -> tuple[HistoryHost, ...]:
    """Of a diagnosis: causes that are named."""
    return tuple(
        HistoryHost(
            name=name,
            status="failed" if host.error is not None else "findings" if _named(host.verdicts) else "ok",
            error=_error(host.error),
            findings=_named(host.verdicts),
        )
        for name, host in diagnosis.hosts.items()
    )


def _named(verdicts: "Iterable[CauseVerdict]") -> int:
    return sum(verdict.is_named for verdict in verdicts)


def _error(failure: Failure | None) -> str:
    return f"{failure.kind}: {failure.message}" if failure is not None else ""
