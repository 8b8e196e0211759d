"""``fleet audit``: hold nodes against a playbook."""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import RenderableType

from fleet import __version__
from fleet.cli import options
from fleet.cli.output import note, show, terminal_width
from fleet.cli.playbook import find_playbook
from fleet.cli.progress import host_progress
from fleet.cli.target import target
from fleet.model.finding import Audit
from fleet.policy import load_playbook
from fleet.report.audit_json import audit_json
from fleet.report.junit import audit_junit
from fleet.report.markdown import audit_markdown
from fleet.report.status import exit_code
from fleet.report.terminal import render_audit, render_summary
from fleet.runner.audit import audit as audit_hosts
from fleet.runner.connection import ConnectionSettings
from fleet.runner.fleet import DEFAULT_WORKERS, Fleet


class Format(StrEnum):
    """How an audit is told."""

    TABLE = "table"
    JSON = "json"
    JUNIT = "junit"
    MARKDOWN = "markdown"


TEXTS: dict[Format, Callable[[Audit], str]] = {
    Format.JSON: audit_json,
    Format.JUNIT: audit_junit,
    Format.MARKDOWN: audit_markdown,
}


@options.connects
def audit(
    settings: ConnectionSettings,
    playbook: Annotated[str, typer.Argument(metavar="PLAYBOOK", help="A file, or the name of a shipped playbook.")],
    inventory: options.InventoryOption = "inventory",
    limit: options.LimitOption = None,
    local: options.LocalOption = False,
    form: Annotated[Format, typer.Option("--format", "-f", help="How the result is told.")] = Format.TABLE,
    output: options.OutputOption = None,
    verbose: options.VerboseOption = 0,
    workers: options.WorkersOption = DEFAULT_WORKERS,
) -> None:
    """Compare each node with a playbook. Nothing is changed.

    Exit code 0: all as expected. 1: a host could not be checked. 2: usage. 3: findings.
    """
    path = find_playbook(playbook)
    policy = load_playbook(path)
    chosen = target(inventory=inventory, local=local, limit=limit, policy=policy)
    with (
        host_progress("auditing", len(chosen.names)) as progress,
        Fleet(chosen.inventory, chosen.transport, settings=settings, workers=workers, progress=progress) as fleet,
    ):
        result = audit_hosts(fleet, policy, hosts=chosen.names, playbook=playbook, version=__version__)
    show(_told(result, form, verbose, terminal_width() if output is None else None), output)
    if output is not None:
        note(f"{render_summary(result).plain}; written to {output}")
    raise typer.Exit(exit_code(result))


def _told(result: Audit, form: Format, verbosity: int, width: int | None) -> RenderableType:
    if form in TEXTS:
        return TEXTS[form](result)
    return render_audit(result, verbosity=verbosity, width=width)
