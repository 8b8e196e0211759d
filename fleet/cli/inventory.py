"""``fleet inventory``: who is in, and why."""

from enum import StrEnum
from typing import Annotated

import typer

from fleet.cli import options
from fleet.cli.output import show, terminal_width
from fleet.cli.target import target
from fleet.report.inventory_json import SelectedHost, inventory_json
from fleet.report.terminal import render_inventory


class Format(StrEnum):
    """How the list is told."""

    TABLE = "table"
    JSON = "json"


def inventory(
    inventory: options.InventoryOption = "inventory",
    limit: options.LimitOption = None,
    form: Annotated[Format, typer.Option("--format", "-f", help="How the result is told.")] = Format.TABLE,
    output: options.OutputOption = None,
) -> None:
    """List the hosts that are selected, and what selected each."""
    hosts = [
        SelectedHost(name=one.host.name, address=one.host.address, groups=one.host.groups, why=one.why)
        for one in target(inventory=inventory, local=False, limit=limit).selected
    ]
    show(inventory_json(hosts) if form is Format.JSON else render_inventory(hosts, width=terminal_width()), output)
