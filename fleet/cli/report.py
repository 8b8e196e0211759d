"""``fleet report``: results as one HTML page."""

from pathlib import Path
from typing import Annotated

import pydantic
import typer
from pydantic import Field

from fleet.cli import options
from fleet.cli.output import check_output, note, show
from fleet.model.errors import DocumentError, UsageError
from fleet.model.finding import Audit
from fleet.model.proof import Proof
from fleet.model.rollout import RunResult
from fleet.model.text import printable
from fleet.plan import Plan, load_plan
from fleet.plan.document import PlanJson
from fleet.report.audit_json import AuditJson
from fleet.report.loading import loaded_audit, loaded_proof, loaded_run
from fleet.report.page import TrendPoint, evidence_page, report_page, trend_point
from fleet.report.prove_json import ProofJson
from fleet.report.run_json import ApplyJson
from fleet.report.words import count_hosts

_MAX_BYTES = 512 * 2**20
_DOCUMENT: pydantic.TypeAdapter[AuditJson | ApplyJson | PlanJson | ProofJson] = pydantic.TypeAdapter(
    Annotated[AuditJson | ApplyJson | PlanJson | ProofJson, Field(discriminator="schema_")]
)


def report(
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE", help="JSON of fleet audit; and of earlier ones, fleet apply, rollback, plan and prove."
        ),
    ],
    output: options.OutputOption = None,
) -> None:
    """Tell results as one HTML page that needs nothing beside it. Nothing is connected to.

    The page is about the newest audit; what two or more tell is drawn over time. Plans give their diffs, applies and
    rollbacks their course, proofs their evidence. Of proofs alone it is the evidence for a change ticket.
    """
    check_output(output)
    newest: Audit | None = None
    points: list[TrendPoint] = []
    runs: list[RunResult] = []
    plans: list[Plan] = []
    proofs: list[Proof] = []
    for path in results:
        match load_result(path):
            case Audit() as audit:
                # The audits of a year do not fit into memory all at once.
                points.append(trend_point(audit))
                newest = audit if newest is None or audit.started > newest.started else newest
            case RunResult() as run:
                runs.append(run)
            case Plan() as plan:
                plans.append(plan)
            case Proof() as proof:
                proofs.append(proof)
    proofs.sort(key=lambda proof: proof.started)
    if newest is None and proofs and not (runs or plans):
        show(evidence_page(proofs), output)
        if output is not None:
            note(f"{len(proofs)} proof{'' if len(proofs) == 1 else 's'}; written to {output}")
        return
    if newest is None:
        raise UsageError("there is no audit among the files: make one with fleet audit PLAYBOOK -f json -o audit.json")
    page = report_page(
        newest,
        runs=sorted(runs, key=lambda run: run.started),
        plans=sorted(plans, key=lambda plan: plan.created),
        proofs=proofs,
        trend=sorted(points, key=lambda point: point.started),
    )
    show(page, output)
    if output is not None:
        note(f"{count_hosts(len(newest.hosts))}; written to {output}")


def load_result(path: Path) -> Audit | RunResult | Plan | Proof:
    """Read a result that was written as JSON.

    Raises:
        DocumentError: it cannot be read, or is no result that the page can tell.
    """
    try:
        document = _DOCUMENT.validate_json(_read(path))
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        message = printable(f"is no result of fleet: {where}: {first['msg']}", 300)
        hint = "give the JSON of fleet audit, apply, rollback, plan or prove, as -f json writes it"
        raise DocumentError(message, path=str(path), hint=hint) from None
    match document:
        case AuditJson():
            return loaded_audit(document)
        case ApplyJson():
            return loaded_run(document)
        case PlanJson():
            return load_plan(path)
        case ProofJson():
            return loaded_proof(document)


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise DocumentError("no such file" if not path.exists() else "is not a regular file", path=str(path))
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise DocumentError(f"cannot be read: {error.strerror}", path=str(path)) from None
    if len(text) > _MAX_BYTES:
        raise DocumentError(f"is larger than {_MAX_BYTES} bytes", path=str(path))
    return text
