"""The ``fleet`` command: where errors become messages and exit codes."""

import os
import sys
from typing import Annotated, NoReturn

import typer

from fleet import __version__
from fleet.cli import audit, facts, init, inventory, lab, plan, schema
from fleet.cli.output import complain
from fleet.model.errors import FleetError, UsageError
from fleet.model.text import printable

EXIT_ERROR, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130

app = typer.Typer(
    name="fleet",
    help="Audit and harden the kernels of Kubernetes nodes against connection resets, over SSH.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("init")(init.init)
app.command("inventory")(inventory.inventory)
app.command("facts")(facts.facts)
app.command("audit")(audit.audit)
app.command("plan")(plan.plan)
app.command("schema")(schema.schema)
app.add_typer(lab.app, name="lab")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fleet {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,
) -> None: ...


def main(arguments: list[str] | None = None) -> NoReturn:
    """Entry point of the ``fleet`` program: ends with an exit code, having said on stderr what went wrong."""
    try:
        app(arguments)
    except FleetError as error:
        complain(str(error))
        code = EXIT_USAGE if isinstance(error, UsageError) else EXIT_ERROR
    except SystemExit as end:
        # Typer's own way to end, after usage errors and help too.
        code = end.code if isinstance(end.code, int) else EXIT_ERROR
        if code == EXIT_INTERRUPTED:
            complain("interrupted")
    except Exception as error:
        if os.environ.get("FLEET_DEBUG"):
            raise
        what = f"{type(error).__name__}: {printable(str(error), 200)}"
        complain(f"{what}: this is a bug in fleet; FLEET_DEBUG=1 shows where")
        code = EXIT_ERROR
    sys.exit(code)
