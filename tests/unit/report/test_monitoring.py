"""The shipped alert rules and dashboard: Prometheus takes them, and every metric in them is one that fleet writes."""

import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.prometheus import promtool

from fleet.report.metric_names import METRICS

ROOT = Path(__file__).parents[3]
MONITORING = ROOT / "monitoring"
# What nodes write themselves, by the page that the tests of their checker hold to it.
ON_NODES = {
    name: re.findall(r"`(\w+)`", labels)
    for name, labels in re.findall(
        r"^\| `(fleet_node_\w+)` \| (.*?) \|", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE
    )
}
LABELS = {
    name: {*labels, "instance", "job"}
    for name, labels in ({metric.name: metric.labels for metric in METRICS} | ON_NODES).items()
}


def test_promtool_accepts_the_alert_rules_and_they_alert_when_they_should() -> None:
    assert "SUCCESS" in promtool("check", "rules", str(MONITORING / "alerts.yaml"))
    assert "SUCCESS" in promtool("test", "rules", str(MONITORING / "alerts.test.yaml"))


def test_each_alert_rule_has_a_test() -> None:
    tested = {
        case["alertname"]
        for test in yaml.safe_load((MONITORING / "alerts.test.yaml").read_text())["tests"]
        for case in test["alert_rule_test"]
        if case["exp_alerts"]
    }
    assert tested == {rule["alert"] for rule in rules()}


def test_promtool_accepts_each_query_of_the_dashboard(tmp_path: Path) -> None:
    found = [
        {"record": f"query:{number}", "expr": expression.replace("$playbook", ".*")}
        for number, expression in enumerate(queries())
    ]
    file = tmp_path / "queries.yaml"
    file.write_text(json.dumps({"groups": [{"name": "queries", "rules": found}]}))
    assert f"{len(found)} rules found" in promtool("check", "rules", "--lint=none", str(file))


@pytest.mark.parametrize("metric", [metric.name for metric in METRICS])
def test_each_metric_is_shown_or_alerts(metric: str) -> None:
    everything = " ".join([*queries(), *(rule["expr"] for rule in rules())])
    assert re.search(rf"\b{metric}\b", everything)


def test_rules_and_dashboard_use_only_metrics_and_labels_that_fleet_writes() -> None:
    texts = [path.read_text() for path in (MONITORING / "alerts.yaml", MONITORING / "dashboard.json")]
    assert {name for text in texts for name in re.findall(r"\bfleet_\w+", text)} <= LABELS.keys()
    expressions = [*queries(), *(rule["expr"] for rule in rules())]
    for expression in expressions:
        names = set(re.findall(r"\bfleet_\w+", expression))
        assert names
        matched = set(re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"', expression))
        grouped = {label for labels in re.findall(r"\bby \(([^)]*)\)", expression) for label in labels.split(", ")}
        assert all(matched | grouped <= LABELS[name] for name in names), expression


def test_panels_of_the_dashboard_have_their_own_place_and_number() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for one, other in combinations([panel["gridPos"] for panel in panels], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)


def rules() -> list[Any]:
    groups = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard() -> Any:  # noqa: ANN401 JSON
    return json.loads((MONITORING / "dashboard.json").read_text())


def queries() -> Iterator[str]:
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            yield target["expr"]
