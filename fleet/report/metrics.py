"""A drift check as Prometheus text, for the textfile collector of node_exporter.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from collections import Counter
from datetime import datetime

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from fleet.model.drift import DriftReport
from fleet.report.drift_status import KIND_WORDS, drift_counts, drift_items
from fleet.report.json_text import clean
from fleet.report.metric_names import (
    CHECK_DURATION,
    CHECK_INFO,
    CHECK_REMEMBERED,
    CHECK_TIME,
    HOST_CHECKED,
    HOST_ITEMS,
    HOSTS,
    ITEMS,
    OLDEST_ITEM,
    Metric,
)
from fleet.report.status import IMPACTS


def drift_metrics(report: DriftReport, playbook: str, *, is_remembered: bool) -> str:
    """The text of ``fleet drift --metrics``: two series a host, and a number a playbook that is always the same.

    Args:
        report: of the check.
        playbook: its name, by which checks belong together.
        is_remembered: whether the check could be written to the history.
    """
    text = _Text(playbook)
    text.add(CHECK_TIME, _seconds(report.finished))
    text.add(CHECK_DURATION, _seconds(report.finished) - _seconds(report.started))
    text.add(CHECK_REMEMBERED, is_remembered)
    text.add(CHECK_INFO, 1, report.digest, report.version)
    for status, count in drift_counts(report).items():
        text.add(HOSTS, count, status)
    items = drift_items(report, "open")
    counts = Counter((item.deviation.kind, item.deviation.impact) for item in items)
    for kind in KIND_WORDS:
        for impact in IMPACTS:
            text.add(ITEMS, counts[kind, impact], kind, impact)
    if items:
        text.add(OLDEST_ITEM, min(_seconds(item.first_seen) for item in items))
    of_hosts = Counter(item.host for item in items)
    for name, host in report.hosts.items():
        text.add(HOST_ITEMS, of_hosts[name], name)
        text.add(HOST_CHECKED, host.error is None, name)
    return text.written()


class _Text:
    def __init__(self, playbook: str) -> None:
        self._playbook = playbook
        self._registry = CollectorRegistry()
        self._gauges: dict[str, Gauge] = {}

    def add(self, metric: Metric, value: float, *labels: str) -> None:
        if metric.name not in self._gauges:
            self._gauges[metric.name] = Gauge(metric.name, metric.text, metric.labels, registry=self._registry)
        self._gauges[metric.name].labels(*map(clean, (self._playbook, *labels))).set(value)

    def written(self) -> str:
        return generate_latest(self._registry).decode()


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
