"""The order of the heat map, and its shapes."""

from dataclasses import replace

from hypothesis import given
from support.audits import audit_of, checked, finding, sample_audit, unchecked
from support.hostile import audits

from fleet.model.finding import Audit, FindingStatus, HostAudit
from fleet.report.page.grid import Grid, grid
from fleet.report.page.heat import heat


def cells(drawn: Grid) -> list[list[FindingStatus | None]]:
    """The grid as its shapes fill it."""
    filled: list[list[FindingStatus | None]] = [[None] * len(drawn.hosts) for _ in drawn.controls]
    for status, row, first, count in drawn.runs():
        for column in range(first, first + count):
            assert filled[row][column] is None
            filled[row][column] = status
    return filled


def with_status(name: str, status: FindingStatus) -> HostAudit:
    return checked(name, [finding("tcp-fin-timeout", status, reason="x")])


def test_the_worst_controls_and_the_hosts_that_could_not_be_checked_come_first() -> None:
    drawn = grid(sample_audit())
    assert [control.id for control in drawn.controls] == [
        "conntrack-be-liberal",
        "conntrack-timeout-established",
        "port-range-nodeports",
        "conntrack-buckets",
        "pod-values-core-somaxconn",
        "tcp-fin-timeout",
        "ipvs-timeouts",
    ]
    assert [host.name for host in drawn.hosts][:3] == ["db-2", "db-3", "k3s-server-1"]
    assert [host.name for host in drawn.hosts][-2:] == ["k3s-agent-1", "web-07"]


def test_hosts_with_the_same_verdicts_are_one_shape() -> None:
    mixed = [with_status(f"n-{number}", "fail" if number % 2 else "pass") for number in range(1, 9)]
    drawn = heat(grid(audit_of(*mixed)))
    assert dict(drawn.paths) == {"fail": "M0 0h4v0.9h-4z", "pass": "M4 0h4v0.9h-4z"}


def test_of_two_verdicts_for_one_control_the_worse_one_counts() -> None:
    good, bad = finding("tcp-fin-timeout", "pass", reason="x"), finding("tcp-fin-timeout", "fail", reason="y")
    for pair in ([good, bad], [bad, good]):
        drawn = grid(audit_of(checked("n-1", pair)))
        assert drawn.statuses == (("fail",),)
        assert dict(drawn.controls[0].counts) == {"fail": 1}


def test_a_fleet_of_which_nothing_was_checked_has_no_map() -> None:
    drawn = heat(grid(audit_of(unchecked("n-1", "unreachable", "no route"))))
    assert (drawn.hosts, drawn.unchecked, dict(drawn.paths)) == (1, 1, {})


@given(audits)
def test_the_shapes_are_the_worst_verdicts_of_every_host(audit: Audit) -> None:
    drawn = grid(audit)
    filled = cells(drawn)
    assert sorted(host.name for host in drawn.hosts) == sorted(audit.hosts)
    for column, host in enumerate(drawn.hosts):
        for row, control in enumerate(drawn.controls):
            own = {each.status for each in host.findings if each.control == control.id} if host.error is None else set()
            assert (filled[row][column] in own) if own else filled[row][column] is None


def test_the_order_of_the_inventory_does_not_matter() -> None:
    audit = sample_audit()
    turned = replace(audit, hosts=dict(reversed(audit.hosts.items())))
    assert [host.name for host in grid(turned).hosts] == [host.name for host in grid(audit).hosts]
