"""What a drift check has opened and closed, as each kind of target takes it."""

import json
from dataclasses import replace
from datetime import datetime, timedelta

from fleet.model.drift import DriftItem, DriftReport
from fleet.model.notify import NotifyTarget
from fleet.model.text import printable
from fleet.report.drift_status import KIND_WORDS, drift_items, is_new
from fleet.report.drift_terminal import render_drift, render_drift_summary
from fleet.report.json_text import clean
from fleet.report.notify_json import notification_json

_MOST_LINES = 30
_LONGEST_LINE = 300


def notification(report: DriftReport, playbook: str, target: NotifyTarget) -> bytes | None:
    """The body of the message for a target; None where there is nothing to tell.

    Alertmanager forgets what it is not told again, and tells people only of changes itself: so it gets all open items.

    Args:
        report: of the check.
        playbook: its name.
        target: whose kind decides the form.
    """
    opened = tuple(item for item in drift_items(report, "open") if is_new(item, report))
    closed = tuple(drift_items(report, "closed"))
    if target.kind == "alertmanager":
        alerts = _alerts(report, playbook, target.hold_hours)
        return json.dumps(alerts).encode() if alerts else None
    if not opened and not closed:
        return None
    if target.kind == "json":
        return notification_json(report, playbook, opened, closed).encode()
    return json.dumps({"text": _chat(report, playbook, target)}).encode()


def _chat(report: DriftReport, playbook: str, target: NotifyTarget) -> str:
    """A line in words, and what has changed in a block, where nothing is a link or calls people by their name."""
    told = render_drift(_changes(report), verbosity=0, width=None).plain.splitlines()
    # The last line sums up the changes alone; the first one of the message does so for the whole check.
    lines = [printable(line, _LONGEST_LINE) for line in told[:-1]]
    if (more := len(lines) - _MOST_LINES) > 0:
        lines[_MOST_LINES:] = [f"and {more} lines more: fleet history show {report.run_id}"]
    block = "\n".join(lines).strip()
    head = f"fleet drift, {printable(playbook)}: {render_drift_summary(report).plain}"
    text = f"{_harmless(head)}\n```\n{_harmless(block)}\n```"
    if target.kind == "slack":
        # https://docs.slack.dev/messaging/formatting-message-text#escaping
        text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return clean(text)


def _harmless(text: str) -> str:
    return text.replace("`", "'").replace("@", "@\u200b")


def _changes(report: DriftReport) -> DriftReport:
    hosts = {}
    for name, host in report.hosts.items():
        items = tuple(each for each in host.items if _has_changed(each, report))
        if items:
            hosts[name] = replace(host, error=None, items=items)
    return replace(report, hosts=hosts)


def _has_changed(item: DriftItem, report: DriftReport) -> bool:
    return item.state == "closed" or (item.state == "open" and is_new(item, report))


def _alerts(report: DriftReport, playbook: str, hold_hours: int) -> list[dict[str, object]]:
    """As https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml has them."""
    until = (datetime.fromisoformat(report.finished) + timedelta(hours=hold_hours)).isoformat()
    found = (*drift_items(report, "open"), *drift_items(report, "closed"))
    return [
        {
            # Only what stays the same for as long as the item is open: these are what an alert is known by.
            "labels": {
                "alertname": "FleetDrift",
                "playbook": clean(playbook),
                "host": clean(item.host),
                "about": item.deviation.about,
                "name": clean(item.deviation.name),
                "severity": item.deviation.impact,
            },
            "annotations": {
                "summary": clean(f"{item.host}: {item.deviation.name}: {KIND_WORDS[item.deviation.kind]}"),
                "description": clean(item.deviation.reason),
            },
            "startsAt": item.first_seen,
            "endsAt": item.closed or until,
        }
        for item in found
    ]
