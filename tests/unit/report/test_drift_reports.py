"""A drift check for people and scripts."""

from dataclasses import replace

import pytest
from support.audits import audit_of, checked
from support.drifts import BEFORE, NOW, drift_item, drift_report, sample_drift

from fleet.model.drift import DriftReport
from fleet.model.finding import Failure
from fleet.report.drift_json import DriftJson, drift_json
from fleet.report.drift_loading import loaded_drift
from fleet.report.drift_terminal import render_drift
from fleet.report.page import report_page

UNCHANGED = "; nothing has changed since the last check"


def last_line(report: DriftReport) -> str:
    return render_drift(report, verbosity=0, width=None).plain.splitlines()[-1]


def test_hosts_with_the_same_drift_since_the_same_time_are_told_once() -> None:
    assert render_drift(sample_drift(), verbosity=0, width=None).plain.splitlines() == [
        "! unreachable  db-1  192.0.2.9 port 22: no route to host",
        "",
        "Open",
        f"  drift     fin    web-1, web-2  is 33, expected 47; was 47; since {BEFORE}",
        "  rebooted  ports  web-2         is 33, expected 47; was 47; new",
        "",
        "Closed",
        f"  drift  alive  web-1  is 1, expected 2; from {BEFORE} to {NOW}",
        "",
        "db-2: a run was changing this while it was read, so it is not compared.",
        "",
        "4 hosts: 1 unreachable, 2 with drift, 1 without drift; 3 open, 1 of them new, 1 closed, 1 noted",
    ]


def test_what_is_noted_and_each_host_by_itself_are_told_when_asked_for() -> None:
    told = render_drift(sample_drift(), verbosity=2, width=None).plain
    assert "  drift  node  web-3  was restarted\n" in told
    assert f"  drift     fin    web-1  is 33, expected 47; was 47; since {BEFORE}\n" in told


def test_a_check_that_tells_nothing_new_says_so() -> None:
    old = drift_report({"web-1": (drift_item("web-1"),), "web-2": ()})
    assert last_line(old) == f"2 hosts: 1 with drift, 1 without drift; 1 open{UNCHANGED}"
    assert last_line(drift_report({"web-1": ()})) == f"1 host: 1 without drift; 0 open{UNCHANGED}"


@pytest.mark.parametrize(
    "report",
    [
        sample_drift(),
        drift_report({"web-1": (drift_item("web-1", first_seen=NOW),)}),
        drift_report({"web-1": (drift_item("web-1", "closed"),)}),
        drift_report({"web-1": (drift_item("web-1", "noted"),)}),
        drift_report({"web-1": (), "db-1": Failure(kind="unreachable", message="no route")}),
        drift_report({"web-1": ()}, notes=("The history could not be read.",)),
    ],
)
def test_a_check_that_tells_something_new_or_knows_too_little_does_not_say_so(report: DriftReport) -> None:
    assert UNCHANGED not in last_line(report)


def test_a_check_comes_back_from_its_json() -> None:
    assert loaded_drift(DriftJson.model_validate_json(drift_json(sample_drift()))) == sample_drift()


def test_the_page_tells_what_has_drifted_with_its_cause_and_since_when() -> None:
    audit = audit_of(*(checked(name, []) for name in sample_drift().hosts))
    page = report_page(audit, drift=sample_drift())
    for said in (
        '<a href="#drift">Drift</a>',
        '<td>drift</td><td>high</td><th scope="row">fin</th><td>web-1, web-2</td><td>is 33, expected 47</td>',
        f'<td class="when">was 47; since {BEFORE}</td>',
        f'<td class="when">from {BEFORE} to {NOW}</td>',
        "a run was changing this",
    ):
        assert said in page
    assert "Nothing has drifted" not in page
    assert "Nothing has drifted" in report_page(audit, drift=replace(sample_drift(), hosts={}))
    assert "#drift" not in report_page(audit)
