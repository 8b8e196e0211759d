"""The ``fleet`` program as typer sees it: its commands and their names."""

from typing import Annotated

import typer

from fleet import __version__
from fleet.cli import audit, facts, init, inventory, lab, schema

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
