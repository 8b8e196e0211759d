"""``fleet prove``: the connection reset reproduced, and what each fix does about it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from fleet.cli import options
from fleet.cli.output import check_output, note, show, terminal_width
from fleet.cli.playbook import find_playbook
from fleet.cli.progress import host_progress
from fleet.cli.target import Target, target
from fleet.document import did_you_mean
from fleet.facts import ProbeRequest
from fleet.model.errors import UsageError
from fleet.model.facts import NodeFacts, Unavailable
from fleet.model.proof import Proof
from fleet.policy import HostView, Policy, evaluate, load_playbook, needed_files, needed_keys
from fleet.prove import SCENARIOS, Node, Scenario, Subject, harden, node_like, prepare
from fleet.prove import prove as prove_scenarios
from fleet.report.prove_json import proof_json
from fleet.report.prove_markdown import proof_markdown
from fleet.report.prove_terminal import render_proof
from fleet.report.prove_words import headline
from fleet.report.status import EXIT_FINDINGS, EXIT_NOTHING_TO_REPORT
from fleet.runner.audit import read_facts
from fleet.runner.connection import ConnectionSettings
from fleet.runner.fleet import Fleet
from fleet.transport import Connection

MOST_RUNS = 50


class Format(StrEnum):
    """How a proof is told."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"


TEXTS: dict[Format, Callable[[Proof], str]] = {Format.JSON: proof_json, Format.MARKDOWN: proof_markdown}


@options.connects
def prove(
    settings: ConnectionSettings,
    playbook: Annotated[
        str, typer.Argument(metavar="[PLAYBOOK]", help="What the node is hardened by: a file, or a playbook's name.")
    ] = "stop-conntrack-resets",
    inventory: options.InventoryOption = "inventory",
    values_from: Annotated[
        str | None,
        typer.Option(
            "--values-from", metavar="HOST", help="Give the node this host's values, instead of the kernel's defaults."
        ),
    ] = None,
    cured: Annotated[
        bool,
        typer.Option("--cured", help="The host must be cured already: as good before any fix as hardened. For gates."),
    ] = False,
    scenario: Annotated[
        list[str] | None,
        typer.Option("--scenario", "-s", metavar="NAME", help="Only this one; may be given more than once."),
    ] = None,
    runs: Annotated[
        int, typer.Option("--runs", min=1, max=MOST_RUNS, metavar="N", help="Connections in each cell.")
    ] = 5,
    form: Annotated[Format, typer.Option("--format", "-f", help="How the proof is told.")] = Format.TABLE,
    output: options.OutputOption = None,
    verbose: options.VerboseOption = 0,
) -> None:
    """Reproduce the connection reset on this kernel, in namespaces of its own, and try each fix.

    Exit code 0: all as promised. 1: it cannot run here. 2: usage. 3: a fix does not hold on this kernel, or with these
    values.
    """
    if cured and values_from is None:
        raise UsageError("--cured is about a host: name it with --values-from")
    check_output(output)
    chosen = _scenarios(scenario)
    policy = load_playbook(find_playbook(playbook))
    machine = _target(inventory, values_from)
    as_root = prepare()
    subject = _subject(policy, machine, settings, playbook=playbook, values_from=values_from)
    subject = replace(subject, node=replace(subject.node, is_cured=cured))
    with host_progress("proving", sum(len(each.fixes(subject.node)) for each in chosen)) as progress:
        proof = prove_scenarios(
            subject,
            chosen,
            runs=runs,
            as_root=as_root,
            progress=progress.finished if progress else (lambda _: None),
        )
    width = terminal_width() if output is None else None
    show(TEXTS[form](proof) if form in TEXTS else render_proof(proof, verbosity=verbose, width=width), output)
    if output is not None:
        note(f"{headline(proof)}; written to {output}")
    raise typer.Exit(EXIT_NOTHING_TO_REPORT if proof.holds else EXIT_FINDINGS)


def _scenarios(names: Sequence[str] | None) -> list[Scenario]:
    for name in names or ():
        if name not in SCENARIOS:
            raise UsageError(f"no scenario '{name}' ({did_you_mean(name, SCENARIOS) or ', '.join(SCENARIOS)})")
    return [scenario for name, scenario in SCENARIOS.items() if not names or name in names]


def _target(inventory: str, host: str | None) -> Target:
    chosen = target(inventory=inventory, local=host is None, limit=host)
    if len(chosen.names) > 1:
        raise UsageError(f"--values-from takes one host, and '{host}' names {len(chosen.names)}")
    return chosen


def _subject(
    policy: Policy, machine: Target, settings: ConnectionSettings, *, playbook: str, values_from: str | None
) -> Subject:
    """The node of the proof; without a host, this machine's facts decide what the playbook computes."""
    request = ProbeRequest(keys=needed_keys(policy), files=needed_files(policy))

    def read(host: HostView, connection: Connection) -> tuple[NodeFacts, Node]:
        facts = read_facts(host, connection, request)
        node = node_like(facts) if values_from is not None else Node()
        return facts, harden(node, evaluate(policy, facts, host=host, today=datetime.now(UTC).date()).wanted)

    with Fleet(machine.inventory, machine.transport, settings=settings) as fleet:
        (outcome,) = fleet.run(read, hosts=machine.names).values()
    if isinstance(outcome, Exception):
        raise outcome
    facts, node = outcome
    notes: tuple[str, ...] = ()
    if values_from is not None and isinstance(facts.invalid_rules, Unavailable):
        notes = (
            f"Whether {values_from} has the INVALID rule could not be read: {facts.invalid_rules}. Taken as absent.",
        )
    return Subject(node=node, values_from=values_from or "", playbook=playbook, notes=notes)
