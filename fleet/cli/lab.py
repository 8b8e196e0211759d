"""``fleet lab``: a local fleet of real nodes, to try things on."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from fleet import lab
from fleet.cli.output import note, show

_MIB = 1 << 20
_EXAMPLE_NODES = 12

app = typer.Typer(
    help="A local fleet of real nodes, to try things on. Needs root.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

StateDirOption = Annotated[
    Path, typer.Option("--state-dir", metavar="DIR", file_okay=False, help="Labs are kept below this folder.")
]
NameOption = Annotated[str, typer.Option("--name", metavar="NAME", help="Tells labs apart.")]


@app.command()
def up(
    *,
    nodes: Annotated[
        int, typer.Option("--nodes", "-n", min=1, max=lab.MOST_NODES, metavar="N", help="How many nodes.")
    ] = _EXAMPLE_NODES,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="The same seed plants the same faults.")] = 1,
    name: NameOption = "default",
    state_dir: StateDirOption = Path(".fleet"),
) -> None:
    """Build a lab, and return when all its nodes answer."""
    started = time.monotonic()
    if sys.stderr.isatty():
        note(f"building {_count(nodes)} ...")
    built = lab.up(lab.LabRequest(nodes=nodes, seed=seed, name=name, state_dir=state_dir))
    note(f"{_count(nodes)} up in {time.monotonic() - started:.1f} s on {built.subnet}")
    sys.stdout.write(f"{built.inventory}\n")


@app.command()
def status(*, name: NameOption = "default", state_dir: StateDirOption = Path(".fleet")) -> None:
    """Show each node of a lab: its address, whether it is up, its memory."""
    nodes = lab.status(state_dir, name).nodes
    table = Table("NODE", "ADDRESS", "STATUS", "MEMORY", "PLANTED", box=None, pad_edge=False)
    table.columns[3].justify = "right"
    for node in nodes:
        table.add_row(
            node.node.name,
            str(node.node.address),
            "up" if node.is_up else "down",
            f"{node.memory_bytes / _MIB:.1f} MiB",
            " ".join(node.node.planted),
        )
    show(table, None)
    running = sum(node.is_up for node in nodes)
    total = sum(node.memory_bytes for node in nodes) / _MIB
    note(f"{running} of {_count(len(nodes))} up, {total:.0f} MiB in all")


@app.command()
def down(*, name: NameOption = "default", state_dir: StateDirOption = Path(".fleet")) -> None:
    """Remove a lab, or what a killed command left of one."""
    if lab.down(state_dir, name):
        note(f"lab {name!r} is gone")
    else:
        note(f"there is no lab {name!r} in {state_dir}; nothing to remove")


def _count(nodes: int) -> str:
    return "1 node" if nodes == 1 else f"{nodes} nodes"
