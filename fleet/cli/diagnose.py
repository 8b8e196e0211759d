"""``fleet diagnose``: which cause broken connections have."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import StrEnum
from functools import partial
from typing import Annotated

import typer

from fleet.cli import options
from fleet.cli.output import check_output, note, show, terminal_width
from fleet.cli.recording import recorded
from fleet.cli.target import target, visiting
from fleet.diagnose import gather, offline_diagnosis, read_kubernetes, read_log, read_pcap
from fleet.diagnose.capture.node import capture_filter
from fleet.drift.history.location import history_location
from fleet.drift.history.recorder import Outcome
from fleet.model.diagnosis import Diagnosis
from fleet.model.errors import UsageError
from fleet.report.diagnose_json import diagnosis_json
from fleet.report.diagnose_markdown import diagnosis_markdown
from fleet.report.diagnose_terminal import render_diagnosis
from fleet.report.diagnose_words import exit_code, headline
from fleet.report.history_hosts import diagnosis_history
from fleet.runner.connection import ConnectionSettings
from fleet.runner.fleet import DEFAULT_WORKERS

DEFAULT_SECONDS = 6.0
MOST_SECONDS = 600.0


class Format(StrEnum):
    """How a diagnosis is told."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"


TEXTS: dict[Format, Callable[[Diagnosis], str]] = {Format.JSON: diagnosis_json, Format.MARKDOWN: diagnosis_markdown}


@options.connects
def diagnose(
    settings: ConnectionSettings,
    inventory: options.InventoryOption = "inventory",
    limit: options.LimitOption = None,
    local: options.LocalOption = False,
    seconds: Annotated[
        float,
        typer.Option("--for", min=1.0, max=MOST_SECONDS, metavar="SECONDS", help="Between the two readings."),
    ] = DEFAULT_SECONDS,
    kubernetes: Annotated[
        str | None,
        typer.Option(
            "--kubernetes",
            metavar="FILE",
            help="Read 'kubectl get pods,deployments,services,endpointslices,events -A -o json' instead of hosts; - is"
            " stdin.",
        ),
    ] = None,
    log: Annotated[
        list[str] | None,
        typer.Option("--log", metavar="FILE", help="Read an application's log instead of hosts; more than once."),
    ] = None,
    pcap: Annotated[
        list[str] | None,
        typer.Option(
            "--pcap",
            metavar="FILE",
            help="Read a capture, pcap or pcapng, instead of hosts; more than once; - is stdin.",
        ),
    ] = None,
    capture: Annotated[
        str | None,
        typer.Option(
            "--capture",
            metavar="FILTER",
            help="Capture segments on each node between the readings: 'tcp', or narrower, as in 'host 10.42.0.7 and"
            " port 80'.",
        ),
    ] = None,
    form: Annotated[Format, typer.Option("--format", "-f", help="How the diagnosis is told.")] = Format.TABLE,
    output: options.OutputOption = None,
    verbose: options.VerboseOption = 0,
    history: options.HistoryOption = None,
    state_dir: options.StateDirOption = options.DEFAULT_STATE_DIR,
    workers: options.WorkersOption = DEFAULT_WORKERS,
) -> None:
    """Tell which cause broken connections have, from two readings of each node. Nothing is changed.

    Exit code 0: no cause is named. 1: a host could not be read. 2: usage. 3: a cause is named.
    """
    check_output(output)
    kept = history_location(history, state_dir)
    words = () if capture is None else _words(capture)

    def read() -> Diagnosis:
        # Each host is read twice.
        with visiting("diagnosing", chosen, settings=settings, workers=workers, times=2) as fleet:
            return gather(fleet, hosts=chosen.names, seconds=seconds, captured=words)

    job: Callable[[], Diagnosis]
    if kubernetes is not None or log or pcap:
        if limit is not None or local or words:
            raise UsageError(
                "--kubernetes, --log and --pcap read files, and no host: leave --limit, --local and --capture out"
            )
        job = partial(_of_files, kubernetes, log or (), pcap or ())
    else:
        chosen, job = target(inventory=inventory, local=local, limit=limit), read
    with recorded("diagnose", kept) as record:
        result = replace(job(), run_id=record.run_id)
        record.came_to(lambda: Outcome(hosts=diagnosis_history(result), parts={"result": diagnosis_json(result)}))
        width = terminal_width() if output is None else None
        show(TEXTS[form](result) if form in TEXTS else render_diagnosis(result, verbosity=verbose, width=width), output)
        if output is not None:
            note(f"{headline(result)}; written to {output}")
        raise typer.Exit(exit_code(result))


def _words(capture: str) -> tuple[str, ...]:
    try:
        return capture_filter(capture)
    except ValueError as error:
        raise UsageError(f"--capture: {error}") from None


def _of_files(kubernetes: str | None, logs: Sequence[str], captures: Sequence[str]) -> Diagnosis:
    if (kubernetes, *logs, *captures).count("-") > 1:
        raise UsageError("- is stdin, which can be read once")
    found = {} if kubernetes is None else {kubernetes: read_kubernetes(kubernetes)}
    found |= {path: read_log(path) for path in logs}
    return offline_diagnosis(found | {path: read_pcap(path) for path in captures})
