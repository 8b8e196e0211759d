"""``fleet report``: results as one HTML page."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import pydantic
import typer
from pydantic import Field

from fleet.cli import options
from fleet.cli.kept import opened_history
from fleet.cli.output import check_output, note, show
from fleet.drift.page_material import PageMaterial, page_material
from fleet.model.errors import DocumentError, UsageError
from fleet.model.finding import Audit
from fleet.model.proof import Proof
from fleet.model.rollout import RunResult
from fleet.model.run_id import is_run_id
from fleet.model.text import printable
from fleet.model.trend import TrendPoint
from fleet.plan import Plan, load_plan
from fleet.plan.document import PlanJson
from fleet.report.audit_json import AuditJson
from fleet.report.loading import loaded_audit, loaded_proof, loaded_run
from fleet.report.page import evidence_page, report_page
from fleet.report.prove_json import ProofJson
from fleet.report.run_json import ApplyJson
from fleet.report.trend import trend_point
from fleet.report.words import count_hosts

_MAX_BYTES = 512 * 2**20
_DOCUMENT: pydantic.TypeAdapter[AuditJson | ApplyJson | PlanJson | ProofJson] = pydantic.TypeAdapter(
    Annotated[AuditJson | ApplyJson | PlanJson | ProofJson, Field(discriminator="schema_")]
)


def report(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN | FILE...]",
            help="A run of the history; or JSON of fleet audit, and of earlier ones, apply, rollback, plan and prove.",
        ),
    ] = None,
    latest: Annotated[bool, typer.Option("--latest", help="The newest run of the history that is no proof.")] = False,
    output: options.OutputOption = None,
    history: options.HistoryOption = None,
    state_dir: options.StateDirOption = options.DEFAULT_STATE_DIR,
) -> None:
    """Tell results as one HTML page that needs nothing beside it. Nothing is connected to.

    Of a run, the history gives what else belongs to it: the course of the fleet, the last apply, what is planned. Of
    files, the page is about the newest audit; what two or more tell is drawn over time. Of proofs alone it is the
    evidence for a change ticket.
    """
    check_output(output)
    words = what or []
    runs = [word for word in words if is_run_id(word)]
    if latest == bool(words) or (runs and len(words) > 1):
        raise UsageError("name one run of the history, or files; or use --latest")
    if latest or runs:
        with opened_history(history, state_dir) as found:
            material = page_material(found, runs[0] if runs else None)
    else:
        material = _of_files(map(Path, words))
    audit, proofs = material.audit, material.proofs
    if audit is None:
        show(evidence_page(proofs), output)
        told = f"{len(proofs)} proof{'' if len(proofs) == 1 else 's'}"
    else:
        page = report_page(
            audit,
            drift=material.drift,
            runs=material.runs,
            plans=material.plans,
            proofs=proofs,
            trend=material.trend,
        )
        show(page, output)
        told = f"{count_hosts(len(audit.hosts))}, as the run {audit.run_id} has seen them"
    if output is not None:
        note(f"{told}; written to {output}")


def _of_files(paths: Iterable[Path]) -> PageMaterial:
    newest: Audit | None = None
    points: list[TrendPoint] = []
    runs: list[RunResult] = []
    plans: list[Plan] = []
    proofs: list[Proof] = []
    for path in paths:
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
    if newest is None and (runs or plans or not proofs):
        raise UsageError("there is no audit among the files: make one with fleet audit PLAYBOOK -f json -o audit.json")
    return PageMaterial(
        audit=newest,
        runs=tuple(sorted(runs, key=lambda run: run.started)),
        plans=tuple(sorted(plans, key=lambda plan: plan.created)),
        proofs=tuple(sorted(proofs, key=lambda proof: proof.started)),
        trend=tuple(sorted(points, key=lambda point: point.started)),
    )


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
