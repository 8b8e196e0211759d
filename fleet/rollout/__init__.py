"""How a plan is brought onto a fleet: batches, gates, an undo that is armed until all is well."""

from fleet.rollout.engine import apply, planned_batches
from fleet.rollout.request import ApplyRequest, Observer, ResumeRequest, RollbackRequest
from fleet.rollout.resume import resume
from fleet.rollout.rollback import may_be_changed, rollback
from fleet.rollout.runs import RunSummary, plan_of, result_of, runs

__all__ = [
    "ApplyRequest",
    "Observer",
    "ResumeRequest",
    "RollbackRequest",
    "RunSummary",
    "apply",
    "may_be_changed",
    "plan_of",
    "planned_batches",
    "result_of",
    "resume",
    "rollback",
    "runs",
]
