"""``fleet lab``: a local fleet of real nodes, to try things on."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from fleet import lab
from fleet.cli.output import note, show
from fleet.lab import vm as machines
from fleet.model.errors import UsageError

_MIB = 1 << 20
_EXAMPLE_NODES = 12

app = typer.Typer(
    help="A local fleet of real nodes, to try things on: namespaces, which need root, or machines under QEMU.",
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
        int | None,
        typer.Option(
            "--nodes",
            "-n",
            min=1,
            max=lab.MOST_NODES,
            metavar="N",
            help=f"How many nodes in namespaces. [default: {_EXAMPLE_NODES}]",
        ),
    ] = None,
    vm: Annotated[
        int | None,
        typer.Option(
            "--vm",
            min=1,
            max=machines.MOST_MACHINES,
            metavar="N",
            help="How many machines under QEMU instead, with a kernel of their own. Needs no root.",
        ),
    ] = None,
    release: Annotated[
        machines.Release | None,
        typer.Option("--release", help="What the machines run: Debian 12 or 13. [default: bookworm]"),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="S", help="The same seed plants the same faults. [default: 1]")
    ] = None,
    name: NameOption = "default",
    state_dir: StateDirOption = Path(".fleet"),
) -> None:
    """Build a lab, and return when all its nodes answer."""
    if vm is not None:
        if nodes is not None or seed is not None:
            raise UsageError("--nodes and --seed are for nodes in namespaces; a lab has those or, with --vm, machines")
        _up_machines(machines.VmRequest(machines=vm, release=release or "bookworm", name=name, state_dir=state_dir))
        return
    if release is not None:
        raise UsageError("--release is for machines: say how many with --vm")
    request = lab.LabRequest(
        nodes=nodes or _EXAMPLE_NODES, seed=1 if seed is None else seed, name=name, state_dir=state_dir
    )
    started = time.monotonic()
    if sys.stderr.isatty():
        note(f"building {_count(request.nodes)} ...")
    built = lab.up(request)
    note(f"{_count(request.nodes)} up in {time.monotonic() - started:.1f} s on {built.subnet}")
    sys.stdout.write(f"{built.inventory}\n")


def _up_machines(request: machines.VmRequest) -> None:
    count = _count(request.machines, "machine")
    started = time.monotonic()
    if sys.stderr.isatty():
        note(f"starting {count}; the first time this builds the image they start from ...")
    built = machines.up(request)
    how = "KVM" if built.accelerator == "kvm" else "software emulation, as KVM does not work here"
    note(f"{count} up in {time.monotonic() - started:.1f} s, with {how}")
    sys.stdout.write(f"{built.inventory}\n")


@app.command()
def status(*, name: NameOption = "default", state_dir: StateDirOption = Path(".fleet")) -> None:
    """Show each node of a lab: its address, whether it is up, its memory."""
    if machines.is_vm_lab(state_dir, name):
        _show_machines(machines.status(state_dir, name))
        return
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


def _show_machines(found: Sequence[machines.MachineStatus]) -> None:
    table = Table("MACHINE", "ADDRESS", "STATUS", "MEMORY", box=None, pad_edge=False)
    table.columns[3].justify = "right"
    for each in found:
        state = "off" if not each.is_running else "on" if each.boots else "booting"
        memory = f"{each.memory_bytes / _MIB:.1f} MiB"
        table.add_row(each.machine.name, f"{machines.LOOPBACK}:{each.machine.port}", state, memory)
    show(table, None)
    running = sum(each.is_running for each in found)
    total = sum(each.memory_bytes for each in found) / _MIB
    note(f"{running} of {_count(len(found), 'machine')} on, {total:.0f} MiB in all")


@app.command()
def down(*, name: NameOption = "default", state_dir: StateDirOption = Path(".fleet")) -> None:
    """Remove a lab, or what a killed command left of one."""
    gone = machines.down(state_dir, name) if machines.is_vm_lab(state_dir, name) else lab.down(state_dir, name)
    if gone:
        note(f"lab {name!r} is gone")
    else:
        note(f"there is no lab {name!r} in {state_dir}; nothing to remove")


def _count(number: int, noun: str = "node") -> str:
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"
