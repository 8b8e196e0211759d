"""What the page about a run is made of, from the history alone."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import pydantic

from fleet.model.drift import DriftReport
from fleet.model.errors import DocumentError, UsageError
from fleet.model.finding import Audit
from fleet.model.history import HistoryPart, HistoryRun
from fleet.model.proof import Proof
from fleet.model.rollout import RunResult
from fleet.model.text import printable
from fleet.model.trend import TrendPoint
from fleet.plan import Plan, plan_from
from fleet.report.audit_json import AuditJson
from fleet.report.drift_json import DriftJson
from fleet.report.drift_loading import loaded_drift
from fleet.report.loading import loaded_audit, loaded_proof, loaded_run
from fleet.report.prove_json import ProofJson
from fleet.report.run_json import ApplyJson

if TYPE_CHECKING:
    # Who tells files only does not load SQLAlchemy.
    from fleet.drift.history.history import History

Document = TypeVar("Document", bound=pydantic.BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageMaterial:
    """What a page tells.

    Attributes:
        audit: what it is about; None where it is about proofs alone.
        drift: what the drift check has told that has made the audit; None without one.
        runs: applies and rollbacks, the oldest first.
        plans: the oldest first.
        proofs: the oldest first.
        trend: up to the audit, the oldest first.
    """

    audit: Audit | None = None
    drift: DriftReport | None = None
    runs: tuple[RunResult, ...] = ()
    plans: tuple[Plan, ...] = ()
    proofs: tuple[Proof, ...] = ()
    trend: tuple[TrendPoint, ...] = ()


def page_material(history: "History", run_id: str | None) -> PageMaterial:
    """Look up all that belongs on the page about a run.

    An audit and a drift check are told with the last apply before, and with what was planned and taken back since. A
    plan, an apply and a rollback are told with the first look at their hosts afterwards, or else the last one before. A
    proof is told alone.

    Args:
        history: where the run is.
        run_id: its id; None for the newest one that a page can be about.

    Raises:
        UsageError: there is no such run, or too little is known of it.
        FleetError: the history cannot be read.
    """
    wanted = history.runs.run(run_id or history.related.newest())
    begin = wanted.entry.begin
    match begin.kind:
        case "audit" | "drift":
            look, beside = wanted, [*map(history.runs.run, history.related.done_before(begin.run_id))]
        case "plan" | "apply" | "rollback":
            look, beside = _look_at(history, wanted), [wanted]
        case "prove":
            return PageMaterial(proofs=(loaded_proof(_read(wanted, ProofJson)),))
        case "verify" | "diagnose":
            raise UsageError(f"no page tells a {begin.kind}: fleet history show {begin.run_id} does")
    return PageMaterial(
        audit=_audit(look),
        drift=loaded_drift(_read(look, DriftJson)) if look.entry.begin.kind == "drift" else None,
        runs=tuple(loaded_run(_read(run, ApplyJson)) for run in beside if run.entry.begin.kind != "plan"),
        plans=tuple(_plan(run) for run in beside if run.entry.begin.kind == "plan" or "plan" in run.parts),
        trend=history.related.trend(look.entry.begin.run_id),
    )


def _look_at(history: "History", run: HistoryRun) -> HistoryRun:
    begin = run.entry.begin
    found = history.related.look(begin.run_id)
    if found is None:
        raise UsageError(
            f"no audit in the history is of the hosts and the playbook of {begin.run_id}: make one with fleet audit"
            f" {begin.playbook}"
        )
    return history.runs.run(found)


def _audit(run: HistoryRun) -> Audit:
    return loaded_audit(_read(run, AuditJson, "audit" if run.entry.begin.kind == "drift" else "result"))


def _read(run: HistoryRun, document: type[Document], part: HistoryPart = "result") -> Document:
    text = _text(run, part)
    try:
        return document.model_validate_json(text)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        message = printable(f"is no result that this fleet can read: {where}: {first['msg']}", 300)
        begin = run.entry.begin
        raise DocumentError(message, path=begin.run_id, hint=f"it was made by fleet {begin.version}") from None


def _plan(run: HistoryRun) -> Plan:
    part: HistoryPart = "result" if run.entry.begin.kind == "plan" else "plan"
    return plan_from(_text(run, part), run.entry.begin.run_id)


def _text(run: HistoryRun, part: HistoryPart) -> str:
    if part not in run.parts:
        begin, why = run.entry.begin, f": {run.entry.message}" if run.entry.message else ""
        raise UsageError(f"the {begin.kind} {begin.run_id} has no result to show: it is {run.entry.status}{why}")
    return run.parts[part]
