import pytest
from support.audits import audit_of, checked, finding, node, sample_audit, unchecked

from fleet.model.finding import FindingStatus, HostAudit, Impact
from fleet.report.status import exit_code, host_counts, host_status, worst_finding, worst_first

OK = node("ok", be_liberal="1")
FINDINGS = node("findings", be_liberal="0")
FAILED = unchecked("failed", "auth", "no key was accepted")
UNREACHABLE = unchecked("unreachable", "unreachable", "no route")


@pytest.mark.parametrize(
    ("hosts", "code"),
    [
        ((), 0),
        ((OK,), 0),
        ((OK, FINDINGS), 3),
        ((OK, FAILED), 1),
        ((OK, UNREACHABLE), 1),
        ((FINDINGS, FAILED), 1),
        ((UNREACHABLE, FINDINGS), 1),
    ],
)
def test_a_host_that_was_not_checked_outweighs_findings_in_the_exit_code(
    hosts: tuple[HostAudit, ...], code: int
) -> None:
    assert exit_code(audit_of(*hosts)) == code


@pytest.mark.parametrize(
    ("status", "expected"),
    [("pass", "ok"), ("skip", "ok"), ("warn", "ok"), ("fail", "findings"), ("error", "findings")],
)
def test_a_host_has_findings_when_a_control_fails_or_cannot_be_judged(status: FindingStatus, expected: str) -> None:
    assert host_status([finding("tcp-fin-timeout", status, reason="because")]) == expected


def test_hosts_are_counted_by_status_with_zeros() -> None:
    assert host_counts(sample_audit()) == {"unreachable": 1, "failed": 1, "findings": 10, "ok": 2}
    assert host_counts(audit_of(OK)) == {"unreachable": 0, "failed": 0, "findings": 0, "ok": 1}


def test_hosts_come_worst_first_and_else_in_the_order_of_the_inventory() -> None:
    names = [host.name for host in worst_first(sample_audit().hosts.values())]
    unreachable_and_failed = ["db-2", "db-3"]
    most_findings = ["k3s-server-1", "db-1"]
    alike = [f"web-0{number}" for number in range(1, 7)]
    less_severe = ["k3s-agent-2", "k3s-agent-3"]
    warned_before_clean = ["k3s-agent-1", "web-07"]
    assert names == unreachable_and_failed + most_findings + alike + less_severe + warned_before_clean


def one(status: FindingStatus, impact: Impact) -> HostAudit:
    return checked(f"{status}-{impact}", [finding("tcp-fin-timeout", status, reason="because", impact=impact)])


def test_a_failure_is_worse_than_a_warning_and_then_impact_decides() -> None:
    hosts = [
        one("warn", "critical"),
        one("fail", "low"),
        one("pass", "critical"),
        one("error", "high"),
        one("fail", "high"),
    ]
    assert [host.name for host in worst_first(hosts)] == [
        "fail-high",
        "error-high",
        "fail-low",
        "warn-critical",
        "pass-critical",
    ]


def test_a_host_where_all_passed_has_no_worst_finding() -> None:
    assert worst_finding(OK) is None
    assert worst_finding(UNREACHABLE) is None
