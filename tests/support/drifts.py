"""Results of drift checks for tests of the reports."""

from collections.abc import Mapping
from typing import Any

from fleet.model.drift import Deviation, DriftItem, DriftReport, DriftState, HostDrift
from fleet.model.finding import Failure

NOW, BEFORE = "2026-11-20T12:30:00.000Z", "2026-11-20T12:00:00.000Z"


def drift_item(host: str, state: DriftState = "open", *, first_seen: str = BEFORE, **fields: Any) -> DriftItem:  # noqa: ANN401 as Deviation has them
    """The control fin, which has drifted from 47 to 33 since the check before, but for what is said."""
    given = {
        "about": "control",
        "name": "fin",
        "kind": "drift",
        "is_open": state != "noted",
        "impact": "high",
        "reason": "is 33, expected 47",
        "value": "33",
        "was": "47",
    }
    closed = NOW if state == "closed" else None
    deviation = Deviation(**(given | fields))
    return DriftItem(host=host, deviation=deviation, state=state, first_seen=first_seen, last_seen=NOW, closed=closed)


def drift_report(hosts: Mapping[str, tuple[DriftItem, ...] | Failure], **fields: Any) -> DriftReport:  # noqa: ANN401 as DriftReport has them
    """A check that saw these items, or could not read a host."""
    given = {
        "run_id": "20261120T123000Z-91f0aa",
        "started": NOW,
        "finished": NOW,
        "playbook": "play.yaml",
        "digest": "sha256:" + "0" * 64,
        "version": "0.1.0",
        "hosts": {name: _host(name, told) for name, told in hosts.items()},
    }
    return DriftReport(**(given | fields))


def sample_drift() -> DriftReport:
    """Every state of an item, hosts alike, and a host that could not be reached."""
    return drift_report(
        {
            "web-1": (drift_item("web-1"), drift_item("web-1", "closed", name="alive", reason="is 1, expected 2")),
            "web-2": (drift_item("web-2"), drift_item("web-2", first_seen=NOW, name="ports", kind="rebooted")),
            "web-3": (drift_item("web-3", "noted", about="node", name="node", reason="was restarted", was=None),),
            "db-1": Failure(kind="unreachable", message="192.0.2.9 port 22: no route to host"),
        },
        notes=("db-2: a run was changing this while it was read, so it is not compared.",),
    )


def _host(name: str, told: tuple[DriftItem, ...] | Failure) -> HostDrift:
    if isinstance(told, Failure):
        return HostDrift(name=name, status="unreachable", error=told)
    return HostDrift(name=name, status="drift" if any(item.state == "open" for item in told) else "ok", items=told)
