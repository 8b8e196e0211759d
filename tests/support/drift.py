"""Drift checks over nodes in memory: facts are really judged, and a real database remembers."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from support.facts import IDENTITY, node_facts

from fleet.drift.check import check
from fleet.drift.history.history import History, open_history
from fleet.drift.history.location import HistoryLocation, history_location
from fleet.model.drift import DriftItem, DriftReport
from fleet.model.errors import HostError
from fleet.model.facts import NodeFacts
from fleet.model.finding import Audit, HostAudit
from fleet.model.history import HistoryBegin
from fleet.policy import HostView, Policy, evaluate, load_playbook
from fleet.report.status import host_status
from fleet.runner.audit import failure, iso

FIN, RANGE, RESERVED = "net.ipv4.tcp_fin_timeout", "net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports"
MAX = "net.netfilter.nf_conntrack_max"
GOOD = {FIN: "30", RANGE: "32768 60999"}
PLAYBOOK = f"""\
name: Hold a fleet
controls:
  - id: fin
    title: Sockets close in time
    impact: high
    setting: {{sysctl: {FIN}}}
    expect: {{at_least: 15, at_most: 40}}
    set: 30
    why: They are many.
  - id: ports
    title: Enough ports
    impact: medium
    setting: {{sysctl: {RANGE}}}
    expect: {{equals: "32768 60999"}}
    set: "32768 60999"
    why: They run out.
  - id: loaded
    title: The module is there
    impact: critical
    setting: {{module: nf_conntrack}}
    expect: {{loaded: true}}
    why: Without it there is no table.
"""
START = datetime(2026, 11, 20, 12, tzinfo=UTC)


def write_playbook(directory: Path, text: str = PLAYBOOK) -> Path:
    path = directory / "hold.yaml"
    path.write_text(text)
    return path


def facts(values: Mapping[str, str] | None = None, **overrides: object) -> NodeFacts:
    """A node with good values, but for what is said."""
    return node_facts(sysctls={**GOOD, **(values or {})}, **overrides)


def rebooted(node: NodeFacts, boot_id: str = "ffffffff-0000-4000-8000-000000000000") -> NodeFacts:
    return replace(node, identity=replace(node.identity, boot_id=boot_id))


def live(node: NodeFacts, **values: str) -> NodeFacts:
    """The same node with other live values; its files stay. Keys are named by the words above."""
    names = {"fin": FIN, "range": RANGE, "reserved": RESERVED}
    changed = {names[name]: replace(node.sysctls[names[name]], value=value) for name, value in values.items()}
    return replace(node, sysctls={**node.sysctls, **changed})


def audited(policy: Policy, nodes: Mapping[str, NodeFacts | HostError], at: datetime, run_id: str = "") -> Audit:
    hosts = {}
    for name, node in nodes.items():
        if isinstance(node, HostError):
            reason = failure(node)
            status = "unreachable" if reason.kind == "unreachable" else "failed"
            hosts[name] = HostAudit(name=name, status=status, error=reason)
            continue
        view = HostView(name=name, groups=(), data={}, address="192.0.2.1")
        seen = evaluate(policy, node, host=view, today=at.date())
        hosts[name] = HostAudit(
            name=name, status=host_status(seen.findings), findings=seen.findings, settings=seen.settings, facts=node
        )
    moment = iso(at)
    return Audit(
        run_id=run_id or f"check-{moment}",
        started=moment,
        finished=iso(at + timedelta(seconds=1)),
        playbook="hold.yaml",
        version="0.1.0",
        hosts=hosts,
    )


@dataclass(slots=True)
class Checks:
    """Checks of one playbook, an hour apart, remembered in a real database."""

    directory: Path
    history: History
    now: datetime = START
    text: str = PLAYBOOK
    reports: list[DriftReport] = field(default_factory=list)

    @property
    def policy(self) -> Policy:
        return load_playbook(write_playbook(self.directory, self.text))

    def check(self, node: NodeFacts | HostError | None = None, **nodes: NodeFacts | HostError) -> DriftReport:
        """Check one node, called web-1, or those that are named; an hour goes by."""
        if node is not None:
            nodes = {"web-1": node, **nodes}
        audit = audited(self.policy, nodes, self.now)
        self.history.runs.begin(begin(audit.run_id, started=audit.started))
        report, is_remembered = check(audit, self.policy, self.history)
        assert is_remembered
        self.now += timedelta(hours=1)
        self.reports.append(report)
        return report


def begin(run_id: str, **fields: Any) -> HistoryBegin:  # noqa: ANN401 as HistoryBegin has them
    given = {
        "run_id": run_id,
        "kind": "drift",
        "who": "ann",
        "machine": "desk",
        "directory": "/home/ann",
        "process": "1 x",
        "playbook": "hold.yaml",
        "digest": "sha256:" + "0" * 64,
        "version": "0.1.0",
        "started": iso(START),
    }
    return HistoryBegin(**(given | fields))


def sqlite_at(directory: Path) -> HistoryLocation:
    location = history_location(None, directory / ".fleet")
    assert location is not None
    return location


@contextmanager
def checks_in(directory: Path, location: HistoryLocation | None = None) -> Iterator[Checks]:
    history = open_history(location or sqlite_at(directory))
    try:
        yield Checks(directory=directory, history=history)
    finally:
        history.close()


def items(report: DriftReport, state: str = "open", host: str = "web-1") -> list[DriftItem]:
    return [item for item in report.hosts[host].items if item.state == state]


def told(report: DriftReport, state: str = "open", host: str = "web-1") -> list[tuple[str, str]]:
    """Kind and name of each item in a state."""
    return [(item.deviation.kind, item.deviation.name) for item in items(report, state, host)]


OTHER_MACHINE = replace(IDENTITY, machine_id="fedcba9876543210fedcba9876543210")
