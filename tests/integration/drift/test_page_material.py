"""What the page about a run is made of: only from the history, whichever run it is, and in either database."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from support.audits import audit_of, checked, finding
from support.drift import START, begin
from support.drifts import sample_drift
from support.plans import plan_of, plan_text
from support.proofs import cell, proof
from support.runs import host_run, run_of

from fleet.drift.history.history import History
from fleet.drift.page_material import PageMaterial, page_material
from fleet.model.errors import DocumentError, UsageError
from fleet.model.finding import Audit
from fleet.model.history import HistoryEnd, HistoryHost, HistoryKind, HistoryPart
from fleet.plan import NodePlan
from fleet.report.audit_json import audit_json
from fleet.report.drift_json import drift_json
from fleet.report.prove_json import proof_json
from fleet.report.run_json import run_json
from fleet.report.trend import trend_point
from fleet.runner.audit import iso

EMPTY = NodePlan(changes=(), kept=(), refused=(), remedies=(), risks=(), preconditions=None)
BAD = finding("tcp-fin-timeout", "fail", reason="is 60, expected 30")
WEB = ("web-1", "web-2", "web-3")


@dataclass
class Past:
    """Runs an hour apart, kept as the commands keep them."""

    history: History
    hours: int = 0

    def audit(self, *hosts: str, kind: HistoryKind = "audit", **more: str) -> str:
        audit = replace(audit_of(*(checked(host, [BAD]) for host in hosts or WEB)), playbook="hold.yaml")
        self.hours += 1
        audit = replace(audit, run_id=f"{kind}-{self.hours}", started=self._now(), finished=self._now())
        text = "".join(audit_json(audit))
        parts: dict[HistoryPart, str] = (
            {"result": text} if kind == "audit" else {"result": drift_json(sample_drift()), "audit": text}
        )
        return self._keep(kind, hosts or WEB, parts, audit, **more)

    def apply(self, *hosts: str, kind: HistoryKind = "apply") -> str:
        self.hours += 1
        result = run_of(*map(host_run, hosts), run_id=f"{kind}-{self.hours}", kind=kind, started=self._now())
        parts: dict[HistoryPart, str] = {"result": run_json(result)}
        if kind == "apply":
            parts["plan"] = plan_text(replace(plan_of(dict.fromkeys(hosts, EMPTY)), run_id=f"of-{result.run_id}"))
        return self._keep(kind, hosts, parts, None)

    def plan(self, *hosts: str) -> str:
        self.hours += 1
        plan = replace(plan_of(dict.fromkeys(hosts, EMPTY)), run_id=f"plan-{self.hours}", created=self._now())
        return self._keep("plan", hosts, {"result": plan_text(plan)}, None)

    def told(self, run_id: str | None = None) -> tuple[str, list[str], list[str], list[str]]:
        """The ids of the audit, the runs, the plans and the points of the trend."""
        found = page_material(self.history, run_id)
        runs, plans = [run.run_id for run in found.runs], [plan.run_id for plan in found.plans]
        return found.audit.run_id, runs, plans, [point.run_id for point in found.trend]

    def _now(self) -> str:
        return iso(START + timedelta(hours=self.hours))

    def _keep(
        self,
        kind: HistoryKind,
        hosts: tuple[str, ...],
        parts: Mapping[HistoryPart, str],
        audit: Audit | None,
        **more: str,
    ) -> str:
        run_id = f"{kind}-{self.hours}"
        self.history.runs.begin(begin(run_id, kind=kind, started=self._now(), **more))
        told = tuple(HistoryHost(name=host, status="ok") for host in hosts)
        point = trend_point(audit) if audit else None
        end = HistoryEnd(status="done", exit_code=3, finished=self._now(), hosts=told, parts=parts, point=point)
        self.history.runs.end(run_id, end)
        return run_id


@pytest.fixture
def past(history: History) -> Past:
    return Past(history)


def test_an_audit_is_told_with_the_last_apply_and_what_came_of_it_and_the_course_up_to_it(past: Past) -> None:
    first = past.audit()
    past.apply("web-1")
    past.plan("web-1")
    apply = past.apply("web-1", "web-2")
    taken_back = past.apply("web-2", kind="rollback")
    past.plan("web-1")
    plan = past.plan("web-2")
    last = past.audit()
    assert past.told(first) == (first, [], [], [first])
    assert past.told(last) == (last, [apply, taken_back], [f"of-{apply}", plan], [first, last])


def test_the_latest_run_is_the_newest_with_a_result(past: Past) -> None:
    with pytest.raises(UsageError, match="has a result to show"):
        page_material(past.history, None)
    past.audit()
    check = past.audit(kind="drift")
    past.history.runs.begin(begin("audit-killed", kind="audit", started=iso(START + timedelta(days=9))))
    past.history.runs.begin(begin("prove-1", kind="prove", started=iso(START + timedelta(days=9))))
    past.history.runs.end(
        "prove-1", HistoryEnd(status="done", exit_code=0, finished=iso(START), parts={"result": "{}"})
    )
    assert past.told() == (check, [], [], ["audit-1", check])
    assert page_material(past.history, None).drift == sample_drift()
    assert page_material(past.history, "audit-1").drift is None


def test_a_run_that_changes_or_plans_is_told_with_the_look_after_it_or_else_the_one_before(past: Past) -> None:
    before = past.audit()
    plan = past.plan("web-1", "web-2")
    apply = past.apply("web-1", "web-2")
    past.audit("db-1", "db-2")
    assert past.told(plan) == (before, [], [plan], [before])
    assert past.told(apply) == (before, [apply], [f"of-{apply}"], [before])
    after = past.audit(kind="drift")
    past.audit()
    for run, runs, plans in ((plan, [], [plan]), (apply, [apply], [f"of-{apply}"])):
        assert past.told(run) == (after, runs, plans, [before, after])
    rollback = past.apply("web-1", kind="rollback")
    assert past.told(rollback)[1:3] == ([rollback], [])


def test_the_course_is_of_the_same_hosts_and_the_same_playbook_by_name_or_by_content(past: Past) -> None:
    other = "sha256:" + "1" * 64
    past.audit("web-1")
    past.audit("db-1", "db-2", "db-3")
    past.audit(playbook="other.yaml", digest=other)
    grown = past.audit("web-2", "web-3")
    moved = past.audit(playbook="/srv/hold.yaml")
    edited = past.audit(digest=other)
    last = past.audit("web-1", "web-2", "web-3", "web-4")
    assert past.told(last)[3] == [grown, moved, edited, last]


def test_a_proof_is_told_alone(past: Past) -> None:
    past.audit()
    shown = proof(cell())
    past.history.runs.begin(begin("prove-1", kind="prove"))
    end = HistoryEnd(status="done", exit_code=0, finished=iso(START), parts={"result": proof_json(shown)})
    past.history.runs.end("prove-1", end)
    assert page_material(past.history, "prove-1") == PageMaterial(proofs=(shown,))


def test_what_has_nothing_to_show_is_refused_with_why(past: Past) -> None:
    apply = past.apply("web-1")
    runs = past.history.runs
    runs.begin(begin("audit-killed", kind="audit"))
    runs.begin(begin("audit-failed", kind="audit"))
    runs.end("audit-failed", HistoryEnd(status="failed", exit_code=1, finished=iso(START), message="no key"))
    runs.begin(begin("verify-1", kind="verify"))
    runs.begin(begin("audit-odd", kind="audit"))
    odd = HistoryEnd(status="done", exit_code=0, finished=iso(START), parts={"result": '{"schema": "fleet.audit/9"}'})
    runs.end("audit-odd", odd)
    for run, told in {
        apply: f"no audit in the history is of the hosts and the playbook of {apply}: make one with fleet audit",
        "audit-killed": "the audit audit-killed has no result to show: it is unfinished",
        "audit-failed": "the audit audit-failed has no result to show: it is failed: no key",
        "verify-1": "fleet history show verify-1 does",
        "nobody": "no run 'nobody' in the history",
    }.items():
        with pytest.raises(UsageError, match=told):
            page_material(past.history, run)
    with pytest.raises(DocumentError, match=r"audit-odd: is no result that this fleet can read.*made by fleet 0\.1\.0"):
        page_material(past.history, "audit-odd")
