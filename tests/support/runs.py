"""Results of an apply or a rollback for tests."""

from dataclasses import replace
from typing import Any

from fleet.model.rollout import BatchRun, ChangeResult, GateResult, HostRun, RunError, RunResult

RUN = "20261120T121500Z-0b77c4"
ROLLED_BACK = "20261120T124000Z-91f0aa"
FIN = ChangeResult(kind="sysctl", target="net.ipv4.tcp_fin_timeout", status="changed", read_back="50")
FILE = ChangeResult(kind="file", target="/etc/sysctl.d/90-fleet.conf", status="changed")
NOOP = replace(FIN, status="noop", reason="is 50 already", read_back=None)


def host_run(name: str, **fields: Any) -> HostRun:  # noqa: ANN401 as HostRun has them
    """A host that was changed and confirmed in the first batch, but for what is said of it."""
    return HostRun(**{"name": name, "status": "changed", "node": "after", "batch": 1, "changes": (FILE, FIN)} | fields)


def run_of(*hosts: HostRun, **fields: Any) -> RunResult:  # noqa: ANN401 as RunResult has them
    """A run over these hosts that went through, but for what is said of it."""
    batches = tuple(
        BatchRun(number=number, hosts=tuple(host.name for host in hosts if host.batch == number))
        for number in sorted({host.batch for host in hosts if host.batch is not None})
    )
    given = {
        "run_id": RUN,
        "kind": "apply",
        "status": "done",
        "plan_run": "20261120T120000Z-5f2a01",
        "playbook": "play.yaml",
        "version": "0.1.0",
        "started": "2026-11-20T12:15:00.000Z",
        "finished": "2026-11-20T12:15:31.250Z",
        "batches": batches,
        "hosts": {host.name: host for host in hosts},
    }
    return RunResult(**given | fields)


def sample_run() -> RunResult:
    """A run that a gate has stopped in its second batch: every status of a host, every state of a node."""
    before: dict[str, Any] = {"node": "before", "changes": ()}
    hosts = (
        host_run("web-01"),
        host_run("web-02", status="noop", node="before", batch=None, changes=(NOOP,)),
        *(host_run(f"web-{number:02}", status="undone", node="before", batch=2) for number in (3, 4, 5)),
        host_run(
            "web-06",
            status="failed",
            batch=2,
            error=RunError(kind="stale", message="/etc/sysctl.d/10-web.conf has moved: make a new plan"),
            **before,
        ),
        host_run(
            "web-07",
            status="failed",
            batch=2,
            error=RunError(kind="stale", message="/etc/sysctl.d/10-web.conf has moved: make a new plan"),
            **before,
        ),
        host_run(
            "web-08",
            status="unreachable",
            node="pending",
            batch=2,
            undo_at="2026-11-20T12:17:05Z",
            error=RunError(kind="unreachable", message="192.0.2.8 port 22: connection refused: is sshd running?"),
            notes=("no systemd: the undo is a process of its own",),
        ),
        host_run(
            "db-1",
            status="unreachable",
            node="unknown",
            batch=2,
            changes=(),
            error=RunError(kind="unreachable", message="192.0.2.9 port 22: no route to host"),
        ),
        host_run("web-09", status="not-reached", batch=None, **before),
    )
    gates = (
        GateResult(kind="verify", passed=True, detail="4 controls pass on 3 hosts"),
        GateResult(kind="command", passed=False, detail="curl ended with 22: HTTP 503"),
    )
    batches = (
        BatchRun(number=1, hosts=("web-01",), gates=(gates[0],), decision="1 confirmed"),
        BatchRun(
            number=2,
            hosts=("web-03", "web-04", "web-05", "web-06", "web-07", "web-08", "db-1"),
            gates=gates,
            decision="taken back: the gate command failed: curl ended with 22: HTTP 503",
        ),
    )
    return run_of(
        *hosts,
        status="undone",
        batches=batches,
        stopped_by="batch 2: taken back: the gate command failed: curl ended with 22: HTTP 503",
    )
