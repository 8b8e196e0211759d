"""``fleet verify``: a playbook as tests on real nodes, beside tests of your own."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from fleet.cli import options
from fleet.cli.output import check_output, note
from fleet.cli.playbook import find_playbook
from fleet.cli.progress import host_progress
from fleet.cli.target import target
from fleet.model.errors import UsageError
from fleet.policy import load_playbook
from fleet.runner.connection import ConnectionSettings
from fleet.runner.fleet import DEFAULT_WORKERS, Fleet
from fleet.verify.backend import session
from fleet.verify.nodes import Nodes
from fleet.verify.run import Run, run
from fleet.verify.suite import Suite


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
        bool, typer.Option("--independent", help="Let testinfra read each setting for itself, once more.")
    ] = False,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", dir_okay=False, help="Write JUnit XML too.")
    ] = None,
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, help="As of pytest: more about each test.")
    ] = 0,
    workers: options.WorkersOption = DEFAULT_WORKERS,
) -> None:
    """Run a playbook as tests, one for each control on each node. Nothing is changed.

    Exit code 0: all passed. 1: a host could not be checked. 2: usage. 3: a test failed.
    """
    if tests is not None and not tests.exists():
        raise UsageError(f"no such file or directory: {tests}")
    check_output(junit)
    path = find_playbook(playbook)
    policy = load_playbook(path)
    chosen = target(inventory=inventory, local=local, limit=limit, policy=policy)
    with (
        host_progress("reading", len(chosen.names)) as progress,
        Fleet(
            chosen.inventory,
            chosen.transport,
            settings=settings,
            workers=workers,
            progress=progress,
            # Without further questions a connection is of no use once the facts are read.
            keep_open=independent or tests is not None,
        ) as fleet,
    ):
        nodes = Nodes(fleet, (one.host for one in chosen.selected))
        with session(nodes):
            suite = Suite(policy, nodes, independent=independent, today=datetime.now(UTC).date())
            suite.read(suite.names)
            code = run(Run(playbook=path, label=playbook, suite=suite, tests=tests, junit=junit, verbosity=verbose))
    if junit is not None:
        note(f"JUnit XML is written to {junit}")
    raise typer.Exit(code)
