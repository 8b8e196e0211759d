"""``fleet verify``: a playbook as tests on real nodes, beside tests of your own."""

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType

from fleet.cli import options
from fleet.cli.output import check_output, note, show, terminal_width
from fleet.cli.playbook import find_playbook
from fleet.cli.recording import recorded
from fleet.cli.target import target, visiting
from fleet.drift.history.location import history_location
from fleet.drift.history.recorder import Outcome
from fleet.model.errors import UsageError
from fleet.model.verification import Verification
from fleet.policy import load_playbook
from fleet.report.history_hosts import verify_history
from fleet.report.verify_json import verify_json
from fleet.report.verify_status import verify_exit_code
from fleet.report.verify_terminal import render_verification, render_verification_summary
from fleet.runner.choice import Runner, check_deciding_here
from fleet.runner.connection import ConnectionSettings
from fleet.runner.fleet import DEFAULT_WORKERS
from fleet.runner.inventory import host_views
from fleet.verify.backend import session
from fleet.verify.nodes import Nodes
from fleet.verify.run import Request
from fleet.verify.run import verify as run_tests
from fleet.verify.suite import Suite


class Format(StrEnum):
    """How a verification is told."""

    TABLE = "table"
    JSON = "json"


@options.connects
def verify(
    settings: ConnectionSettings,
    playbook: Annotated[
        str, typer.Argument(metavar="PLAYBOOK", help="A file, or the name of one in playbooks/ or of a shipped one.")
    ],
    inventory: options.InventoryOption = "inventory",
    limit: options.LimitOption = None,
    local: options.LocalOption = False,
    tests: Annotated[
        Path | None, typer.Option("--tests", metavar="PATH", help="Testinfra tests of your own to run beside it.")
    ] = None,
    independent: Annotated[
        bool, typer.Option("--independent", help="Let testinfra read all that the tests rest on for itself.")
    ] = False,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", dir_okay=False, help="Write JUnit XML too.")
    ] = None,
    form: Annotated[Format, typer.Option("--format", "-f", help="How the result is told.")] = Format.TABLE,
    output: options.OutputOption = None,
    verbose: Annotated[int, typer.Option("--verbose", "-v", count=True, help="Also warnings; twice: every test.")] = 0,
    history: options.HistoryOption = None,
    state_dir: options.StateDirOption = options.DEFAULT_STATE_DIR,
    workers: options.WorkersOption = DEFAULT_WORKERS,
    runner: options.DecidingRunnerOption = Runner.AUTO,
    scheduler: options.SchedulerOption = None,
) -> None:
    """Run a playbook as tests, one for each control on each node. Nothing is changed.

    Exit code 0: all passed. 1: a host could not be checked. 2: usage. 3: a test failed.
    """
    if tests is not None and not tests.exists():
        raise UsageError(f"no such file or directory: {tests}")
    check_deciding_here(runner, local=local, scheduler=scheduler)
    check_output(junit)
    kept = history_location(history, state_dir)
    check_output(output)
    path = find_playbook(playbook)
    policy = load_playbook(path)
    chosen = target(inventory=inventory, local=local, limit=limit, policy=policy, scheduler=scheduler)
    with recorded("verify", kept, playbook=playbook, digest=policy.digest) as record:
        # Without further questions a connection is of no use once the facts are read.
        is_kept = independent or tests is not None
        with visiting("reading", chosen, settings=settings, workers=workers, keep_open=is_kept) as fleet:
            everyone, groups = host_views(chosen.inventory), tuple(chosen.inventory.groups)
            nodes = Nodes(fleet, names=chosen.names, inventory=everyone, groups=groups)
            with session(nodes):
                suite = Suite(policy, nodes, independent=independent, today=datetime.now(UTC).date())
                suite.read(suite.names)
                # Before each test pytest goes through all loggers, unguarded; SQLAlchemy makes some as it is loaded.
                record.wait()
                result = run_tests(
                    Request(playbook=playbook, path=path, suite=suite, tests=tests, junit=junit, run_id=record.run_id)
                )
        record.came_to(lambda: Outcome(hosts=verify_history(result), parts={"result": verify_json(result)}))
        show(_told(result, form, verbose, terminal_width() if output is None else None), output)
        if output is not None:
            note(f"{render_verification_summary(result).plain}; written to {output}")
        if junit is not None:
            note(f"JUnit XML is written to {junit}")
        raise typer.Exit(verify_exit_code(result))


def _told(result: Verification, form: Format, verbosity: int, width: int | None) -> RenderableType:
    if form is Format.JSON:
        return verify_json(result)
    return render_verification(result, verbosity=verbosity, width=width)
