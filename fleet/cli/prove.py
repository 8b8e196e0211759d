"""``fleet prove``: the connection reset reproduced, and what each fix does about it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, TypeVar

import typer

from fleet.cli import options
from fleet.cli.output import check_output, note, show, terminal_width
from fleet.cli.playbook import find_playbook
from fleet.cli.progress import host_progress
from fleet.cli.recording import recorded
from fleet.cli.target import Target, target
from fleet.document import did_you_mean
from fleet.drift.history.location import history_location
from fleet.drift.history.recorder import Outcome
from fleet.facts import ProbeRequest
from fleet.model.errors import UsageError
from fleet.model.facts import Unavailable
from fleet.model.proof import Proof
from fleet.model.text import printable
from fleet.policy import HostView, Policy, evaluate, load_playbook, needed_files, needed_keys
from fleet.prove import (
    IMAGE,
    SCENARIOS,
    Node,
    Scenario,
    Subject,
    harden,
    manifests,
    node_like,
    on_node,
    prepare,
    this_machine,
)
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

T = TypeVar("T")

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
    on: Annotated[
        str | None,
        typer.Option(
            "--on", metavar="HOST", help="On this host's kernel, in namespaces of its own, with the host's values."
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
    kubernetes: Annotated[
        bool,
        typer.Option("--kubernetes", help="Print manifests that prove it inside a cluster, and do nothing else."),
    ] = False,
    image: Annotated[
        str, typer.Option("--image", metavar="IMAGE", help="With python3, for the pods of --kubernetes.")
    ] = IMAGE,
    form: Annotated[Format, typer.Option("--format", "-f", help="How the proof is told.")] = Format.TABLE,
    output: options.OutputOption = None,
    verbose: options.VerboseOption = 0,
    history: options.HistoryOption = None,
    state_dir: options.StateDirOption = options.DEFAULT_STATE_DIR,
) -> None:
    """Reproduce the connection reset on this kernel, in namespaces of its own, and try each fix.

    Exit code 0: all as promised. 1: it cannot run here. 2: usage. 3: a fix does not hold on this kernel, or with these
    values.
    """
    if kubernetes:
        if scenario or values_from is not None or on is not None:
            raise UsageError("--kubernetes prints manifests and tries no node: leave out -s, --on and --values-from")
        check_output(output)
        show(manifests(image), output)
        return
    if on is not None and values_from is not None:
        raise UsageError("--on HOST takes the values of that host: leave out --values-from")
    if cured and values_from is None and on is None:
        raise UsageError("--cured is about a host: name it with --values-from or --on")
    check_output(output)
    kept = history_location(history, state_dir)
    chosen = _scenarios(scenario, on_a_node=on is not None)
    policy = load_playbook(find_playbook(playbook))
    machine = _target(inventory, on or values_from)

    def subject(host: HostView, connection: Connection) -> Subject:
        return _subject(policy, playbook, host, connection, values_from=on or values_from or "", is_cured=cured)

    as_root = on is None and prepare()
    with recorded("prove", kept, playbook=playbook, digest=policy.digest) as record:
        if on is None:
            proof = _here(_visit(machine, settings, subject), chosen, runs=runs, as_root=as_root, run_id=record.run_id)
        else:

            def there(host: HostView, connection: Connection) -> Proof:
                place = on_node(host.name, connection)
                return prove_scenarios(subject(host, connection), chosen, place, runs=runs, run_id=record.run_id)

            with host_progress(f"proving on {printable(on)}", 1):
                proof = _visit(machine, settings, there)
        record.came_to(lambda: Outcome(hosts=(), parts={"result": proof_json(proof)}))
        width = terminal_width() if output is None else None
        show(TEXTS[form](proof) if form in TEXTS else render_proof(proof, verbosity=verbose, width=width), output)
        if output is not None:
            note(f"{headline(proof)}; written to {output}")
        raise typer.Exit(EXIT_NOTHING_TO_REPORT if proof.holds else EXIT_FINDINGS)


def _scenarios(names: Sequence[str] | None, *, on_a_node: bool) -> list[Scenario]:
    for name in names or ():
        if name not in SCENARIOS:
            raise UsageError(f"no scenario '{name}' ({did_you_mean(name, SCENARIOS) or ', '.join(SCENARIOS)})")
        if on_a_node and SCENARIOS[name].fills_table:
            raise UsageError(f"{name} takes memory and time of the whole machine, so not of a node: leave out --on")
    return [
        scenario
        for name, scenario in SCENARIOS.items()
        if (name in names if names else not (on_a_node and scenario.fills_table))
    ]


def _target(inventory: str, host: str | None) -> Target:
    chosen = target(inventory=inventory, local=host is None, limit=host)
    if len(chosen.names) > 1:
        raise UsageError(f"--values-from and --on take one host, and '{host}' names {len(chosen.names)}")
    return chosen


def _visit(machine: Target, settings: ConnectionSettings, job: Callable[[HostView, Connection], T]) -> T:
    """Do a job at the one host of a target."""
    with Fleet(machine.inventory, machine.transport, settings=settings) as fleet:
        (outcome,) = fleet.run(job, hosts=machine.names).values()
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _subject(
    policy: Policy, playbook: str, host: HostView, connection: Connection, *, values_from: str, is_cured: bool
) -> Subject:
    """The node of the proof; without a host, this machine's facts decide what the playbook computes."""
    facts = read_facts(host, connection, ProbeRequest(keys=needed_keys(policy), files=needed_files(policy)))
    wanted = evaluate(policy, facts, host=host, today=datetime.now(UTC).date()).wanted
    node = harden(node_like(facts) if values_from else Node(), wanted)
    notes: tuple[str, ...] = ()
    if values_from and isinstance(facts.invalid_rules, Unavailable):
        notes = (
            f"Whether {values_from} has the INVALID rule could not be read: {facts.invalid_rules}. Taken as absent.",
        )
    return Subject(node=replace(node, is_cured=is_cured), values_from=values_from, playbook=playbook, notes=notes)


def _here(subject: Subject, chosen: Sequence[Scenario], *, runs: int, as_root: bool, run_id: str) -> Proof:
    cells = sum(len(each.fixes(subject.node)) for each in chosen)
    with host_progress("proving", cells) as progress:
        place = this_machine(as_root=as_root, progress=lambda: progress.finished("") if progress else None)
        return prove_scenarios(subject, chosen, place, runs=runs, run_id=run_id)
