"""The whole proof: every scenario under each of its fixes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from fleet import __version__
from fleet.kernel.version import parse_release
from fleet.model.proof import Cell, Fix, Proof, ScenarioProof
from fleet.model.run_id import new_run_id
from fleet.prove.answer import Answer
from fleet.prove.place import Place
from fleet.prove.scenario import Node, Scenario, cell_request
from fleet.runner.audit import iso


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is proved.

    Attributes:
        values_from: the host whose values the node has; empty for the kernel's defaults.
        playbook: as the operator named it.
        notes: what the operator should know of it.
    """

    node: Node
    values_from: str
    playbook: str
    notes: tuple[str, ...] = ()


def prove(
    subject: Subject, scenarios: Sequence[Scenario], place: Place, *, runs: int, run_id: str | None = None
) -> Proof:
    """Make each fault on a kernel, under each fix.

    Args:
        subject: the node.
        scenarios: one or more.
        place: where.
        runs: connections in each cell.
        run_id: names the run; None makes up a name.

    Raises:
        ProofError: this machine cannot run it.
        HostError: the host cannot.
    """
    started = datetime.now(UTC)
    jobs = [(scenario, fix) for scenario in scenarios for fix in scenario.fixes(subject.node)]
    answers: dict[tuple[str, Fix], Answer] = {}
    # Full tables come last: beside them the kernel takes long for what others do.
    for fills_table in (False, True):
        some = [(scenario, fix) for scenario, fix in jobs if scenario.fills_table is fills_table]
        if not some:
            continue
        measured = place.measure([cell_request(scenario, fix, subject.node, runs) for scenario, fix in some])
        answers |= {(scenario.name, fix): answer for (scenario, fix), answer in zip(some, measured, strict=True)}
    kernel = next(answer.kernel for answer in answers.values())
    return Proof(
        run_id=run_id or new_run_id(),
        started=iso(started),
        finished=iso(datetime.now(UTC)),
        version=__version__,
        on=place.host,
        kernel=kernel,
        as_root=place.as_root,
        runs=runs,
        values_from=subject.values_from,
        values=subject.node.values,
        invalid_rule=subject.node.invalid_rule,
        playbook=subject.playbook,
        hardened=subject.node.hardened,
        scenarios=tuple(
            ScenarioProof(
                name=scenario.name,
                title=scenario.title,
                shows=scenario.shows,
                cells=tuple(
                    _cell(scenario, fix, subject.node, answers[scenario.name, fix])
                    for fix in scenario.fixes(subject.node)
                ),
            )
            for scenario in scenarios
        ),
        notes=subject.notes,
    )


def _cell(scenario: Scenario, fix: Fix, node: Node, answer: Answer) -> Cell:
    return Cell(
        fix=fix,
        promised=scenario.promised(fix, node, parse_release(answer.kernel)),
        outcomes=answer.outcomes,
        seen=answer.seen,
        resets=answer.resets,
        counters=answer.counters,
        notes=answer.notes,
        refused=answer.refused,
        skipped=answer.skipped,
    )
