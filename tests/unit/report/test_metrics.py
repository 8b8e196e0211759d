"""Metrics of a drift check, held against Prometheus' own parser and promtool."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from support.drift import Checks, checks_in, facts
from support.prometheus import promtool, samples

from fleet.model.drift import DriftReport, HostDrift
from fleet.model.errors import UnreachableError
from fleet.report.metric_names import METRICS
from fleet.report.metrics import drift_metrics

NAME = "Hold a fleet"
PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"


_SMALL = DriftReport(
    run_id="20261120T120000Z-0b77c4",
    started="2026-11-20T12:00:00.000Z",
    finished="2026-11-20T12:00:01.000Z",
    playbook="hold.yaml",
    digest="sha256:0",
    version="0.1.0",
    hosts={"web-1": HostDrift(name="web-1", status="ok")},
)


@pytest.fixture
def checks(tmp_path: Path) -> Iterator[Checks]:
    with checks_in(tmp_path) as made:
        yield made


def test_metrics_tell_hosts_items_and_times_of_the_check(checks: Checks) -> None:
    checks.check(facts(), **{"web-2": facts(), "web-3": facts()})
    first = checks.check(facts({"net.ipv4.tcp_fin_timeout": "99"}), **{"web-2": facts(), "web-3": facts()})
    gone = UnreachableError("web-3", "no route")
    report = checks.check(facts({"net.ipv4.tcp_fin_timeout": "99"}), **{"web-2": facts(), "web-3": gone})
    found = samples(drift_metrics(report, NAME, is_remembered=True))
    of = ("playbook", NAME)
    assert {status: found["fleet_drift_hosts", (of, ("status", status))] for status in ("ok", "drift")} == {
        "ok": 1,
        "drift": 1,
    }
    assert found["fleet_drift_hosts", (of, ("status", "unreachable"))] == 1
    assert found["fleet_drift_items", (("impact", "high"), ("kind", "drift"), of)] == 1
    assert sum(value for (name, _), value in found.items() if name == "fleet_drift_items") == 1
    assert found["fleet_drift_oldest_item_timestamp_seconds", (of,)] == 1795179600.0
    assert first.started == "2026-11-20T13:00:00.000Z"
    assert found["fleet_drift_check_timestamp_seconds", (of,)] == 1795183201.0
    assert found["fleet_drift_check_duration_seconds", (of,)] == 1
    assert found["fleet_drift_check_remembered", (of,)] == 1
    assert [found["fleet_drift_host_items", (("host", f"web-{number}"), of)] for number in (1, 2, 3)] == [1, 0, 0]
    assert [found["fleet_drift_host_checked", (("host", f"web-{number}"), of)] for number in (1, 2, 3)] == [1, 1, 0]


def test_promtool_finds_nothing_to_say_of_the_metrics(checks: Checks) -> None:
    checks.check(facts())
    text = drift_metrics(checks.check(facts({"net.ipv4.tcp_fin_timeout": "99"})), NAME, is_remembered=True)
    assert promtool("check", "metrics", given=text) == ""
    assert [(family.name, family.documentation, family.type) for family in text_string_to_metric_families(text)] == [
        (metric.name, metric.text, "gauge") for metric in METRICS
    ]


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_name_of_a_playbook_or_host_survives_prometheus_parser(playbook: str, host: str) -> None:
    found = samples(drift_metrics(replace(_SMALL, hosts={host: _SMALL.hosts["web-1"]}), playbook, is_remembered=False))
    assert found["fleet_drift_host_checked", (("host", host), ("playbook", playbook))] == 1


def test_number_of_series_grows_by_two_a_host_and_by_nothing_else(checks: Checks) -> None:
    one = samples(drift_metrics(checks.check(facts()), NAME, is_remembered=True))
    many = {f"node-{number}": facts({"net.ipv4.tcp_fin_timeout": "99"}) for number in range(50)}
    found = samples(drift_metrics(checks.check(**many), NAME, is_remembered=True))
    assert len(found) == len(one) + 2 * 49 + 1  # and when the oldest item was seen


def test_page_of_the_metrics_has_each_with_its_labels_and_text() -> None:
    controller = PAGE.read_text().split("## On a node")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", controller, re.MULTILINE)
    assert [(name, tuple(re.findall(r"`(\w+)`", labels)), text) for name, labels, text in rows] == [
        (metric.name, metric.labels, metric.text) for metric in METRICS
    ]
