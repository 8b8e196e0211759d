"""The numbers that the page draws: how full tables are, how a fleet came along, how a rollout went."""

from dataclasses import replace

import pytest
from support.audits import audit_of, checked, sample_audit, unchecked
from support.pages import large_fleet, large_run, node_summary
from support.runs import sample_run

from fleet.model.finding import Audit
from fleet.model.rollout import RunResult
from fleet.model.trend import TrendPoint
from fleet.report.page.timeline import WIDTH, run_view
from fleet.report.page.trend import lines
from fleet.report.trend import trend_point
from fleet.report.usage import MOST_OUTLIERS, fleet_usage


def fleet_with(*used: int, most: int = 1000) -> Audit:
    return audit_of(
        *(
            replace(checked(f"n-{number}", []), node=node_summary(used=count, most=most))
            for number, count in enumerate(used, start=1)
        ),
        unchecked("gone", "unreachable", "no route"),
    )


def test_tables_are_counted_by_twentieths_and_those_over_their_limit_with_the_fullest() -> None:
    usage = fleet_usage(fleet_with(0, 49, 50, 999, 1000, 1400))
    assert usage is not None
    assert (usage.hosts, usage.bins[0], usage.bins[1], usage.bins[-1], sum(usage.bins)) == (6, 2, 1, 3, 6)
    assert usage.highest == 140


def test_a_table_of_three_quarters_is_an_outlier_whatever_the_others_have() -> None:
    usage = fleet_usage(fleet_with(750, 760, 740))
    assert usage is not None
    assert [(each.host, each.percent) for each in usage.outliers] == [("n-2", 76), ("n-1", 75)]


def test_a_table_that_is_fuller_than_all_others_is_an_outlier() -> None:
    usage = fleet_usage(fleet_with(*range(100, 120), 400))
    assert usage is not None
    assert [each.host for each in usage.outliers] == ["n-21"]


def test_tables_that_differ_by_little_have_no_outlier() -> None:
    usage = fleet_usage(fleet_with(*[100] * 20, 120))
    assert usage is not None
    assert usage.outliers == ()


def test_only_the_fullest_tables_are_named() -> None:
    usage = fleet_usage(fleet_with(*range(800, 830)))
    assert usage is not None
    assert (len(usage.outliers), usage.more_outliers) == (MOST_OUTLIERS, 30 - MOST_OUTLIERS)
    assert usage.outliers[0].host == "n-30"


@pytest.mark.parametrize("most", [0, None])
def test_a_host_without_a_table_has_no_usage(most: int | None) -> None:
    node = replace(node_summary(), conntrack_max=most)
    assert fleet_usage(audit_of(replace(checked("n-1", []), node=node))) is None
    assert fleet_usage(sample_audit()) is None


def test_a_trend_is_drawn_from_two_audits_on_with_the_highest_at_the_top() -> None:
    first = TrendPoint(
        run_id="1",
        started="2026-11-19T12:00:00Z",
        hosts=4,
        with_findings=4,
        unchecked=0,
        violations=8,
        usage_median=None,
        usage_highest=None,
    )
    last = replace(first, run_id="2", with_findings=1, violations=2, usage_median=10.0, usage_highest=20.0)
    assert lines([first]) == ()
    drawn = {line.title: line for line in lines([first, last])}
    assert [*drawn] == ["hosts with findings", "hosts that could not be checked", "failed findings"]
    assert (drawn["hosts with findings"].points, drawn["hosts with findings"].first) == ("0.0,0.0 300.0,45.0", "4")
    assert drawn["hosts that could not be checked"].points == "0.0,60.0 300.0,60.0"
    usage = {line.title: line for line in lines([first, last, replace(last, usage_median=5.0)])}
    assert (usage["conntrack usage, median"].points, usage["conntrack usage, median"].last) == (
        "150.0,0.0 300.0,30.0",
        "5.0 %",
    )


def test_a_trend_point_counts_hosts_and_findings() -> None:
    point = trend_point(sample_audit())
    assert (point.hosts, point.with_findings, point.unchecked, point.violations) == (14, 10, 2, 12)


def test_batches_stand_where_they_were_at_work() -> None:
    view = run_view(large_run(large_fleet(hosts=24, controls=2), batches=2))
    first, second = view.batches
    assert first.bar is not None
    assert second.bar is not None
    assert (first.seconds, view.seconds) == (21, 780)
    assert (round(first.bar.x), round(first.bar.width)) == (round(WIDTH * 60 / 780), round(WIDTH * 21 / 780))
    assert second.bar.x + second.bar.width <= WIDTH
    assert (first.counts, first.status) == ("12 changed", "changed")


@pytest.mark.parametrize("when", ["", "yesterday", "2026-11-20T12:15:00", "2030-01-01T00:00:00Z"])
def test_a_batch_whose_time_is_not_known_has_no_bar_or_one_within_the_run(when: str) -> None:
    run = sample_run()
    batches = tuple(replace(batch, started=when, decided=when) for batch in run.batches)
    for batch in run_view(replace(run, batches=batches)).batches:
        assert batch.bar is None or 0 <= batch.bar.x <= batch.bar.x + batch.bar.width <= WIDTH


def test_what_went_wrong_is_told_once_for_hosts_alike() -> None:
    view = run_view(sample_run())
    assert (view.end, view.batches[1].status) == ("stopped", "unreachable")
    assert ("web-06, web-07", "is as before", "/etc/sysctl.d/10-web.conf has moved: make a new plan") in view.troubles
    assert all("web-01" not in hosts for hosts, _, _ in view.troubles)


def test_a_run_that_named_a_host_only_in_a_batch_is_told() -> None:
    run: RunResult = replace(sample_run(), hosts={})
    assert [batch.counts for batch in run_view(run).batches] == ["", ""]
