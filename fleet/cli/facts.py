"""``fleet facts``: what the probe reads."""

from datetime import UTC, datetime

import typer

from fleet import __version__
from fleet.cli import options
from fleet.cli.output import check_output, show
from fleet.cli.target import target, visiting
from fleet.facts import ProbeRequest
from fleet.kernel.catalogue import KEYS
from fleet.model.finding import Failure
from fleet.report.facts_json import FactsReport, facts_json
from fleet.report.status import EXIT_HOST_NOT_CHECKED
from fleet.runner.audit import failure, iso, read_facts
from fleet.runner.connection import ConnectionSettings
from fleet.runner.fleet import DEFAULT_WORKERS


@options.connects
def facts(
    settings: ConnectionSettings,
    inventory: options.InventoryOption = "inventory",
    limit: options.LimitOption = None,
    local: options.LocalOption = False,
    output: options.OutputOption = None,
    workers: options.WorkersOption = DEFAULT_WORKERS,
) -> None:
    """Show as JSON what one reading of each node gives. Nothing is changed; secrets are masked."""
    check_output(output)
    chosen = target(inventory=inventory, local=local, limit=limit)
    request = ProbeRequest(keys=tuple(KEYS))
    started = datetime.now(UTC)
    with visiting("reading", chosen, settings=settings, workers=workers) as fleet:
        outcomes = fleet.run(lambda host, connection: read_facts(host, connection, request), hosts=chosen.names)
    hosts = {
        name: failure(outcome) if isinstance(outcome, Exception) else outcome for name, outcome in outcomes.items()
    }
    show(
        facts_json(
            FactsReport(started=iso(started), finished=iso(datetime.now(UTC)), version=__version__, hosts=hosts)
        ),
        output,
    )
    if any(isinstance(host, Failure) for host in hosts.values()):
        raise typer.Exit(EXIT_HOST_NOT_CHECKED)
