"""What `fleet apply` and `fleet rollback` do alike: carry out, stop, tell."""

import os
import platform
from collections.abc import Callable, Collection
from enum import StrEnum
from pathlib import Path
from threading import Event
from typing import Annotated, Final, NoReturn

import typer
from rich.console import RenderableType

from fleet.cli.output import note, show, terminal_width
from fleet.cli.rollout_progress import RolloutLines, rollout_progress
from fleet.cli.signals import stopped_by_signals
from fleet.cli.target import Target
from fleet.drift.confirmed import confirmed_hosts
from fleet.drift.history.recorder import Outcome, Recorder
from fleet.model.errors import UsageError
from fleet.model.rollout import RunResult
from fleet.plan import Plan, plan_pieces
from fleet.report.grouping import fold_names, in_order
from fleet.report.history_hosts import run_history
from fleet.report.run_json import run_json
from fleet.report.run_status import run_exit_code
from fleet.report.run_terminal import render_run, render_run_summary
from fleet.transport.account import own_name

_STOPPING: Final = (
    "stopping: hosts in flight are finished or undone; Ctrl-C again stops at once, and nodes undo themselves"
)


class Format(StrEnum):
    """How a run is told."""

    TABLE = "table"
    JSON = "json"


YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
FormatOption = Annotated[Format, typer.Option("--format", "-f", help="How the result is told.")]
VerboseOption = Annotated[int, typer.Option("--verbose", "-v", count=True, help="Also what became of each change.")]


def carry_out(run: Callable[[RolloutLines, Event], RunResult], *, again: str) -> RunResult:
    """Show how far a rollout is, and let signals stop it.

    Args:
        run: the rollout; it ends soon after the event is set.
        again: the command that asks the nodes what became of it.
    """
    stop = Event()
    with rollout_progress() as progress, stopped_by_signals(stop, lambda: progress.note(_STOPPING)):
        try:
            return run(progress, stop)
        except KeyboardInterrupt:
            progress.note(
                f"stopped at once: nodes that were changed and not confirmed undo themselves; ask them with: {again}"
            )
            raise


def who() -> str:
    """Who changes nodes, for their records: the user and the machine."""
    return f"{own_name() or os.getuid()}@{platform.node()}"


def hosts_of(known: Collection[str], chosen: Target, *, of: str) -> tuple[str, ...]:
    """The chosen hosts that a plan or a run is about, in the inventory's order.

    Args:
        known: its hosts, all of which have to be in the inventory.
        chosen: by the operator.
        of: what it is, such as ``plan``.

    Raises:
        UsageError: none is chosen, or one is not in the inventory.
    """
    if unknown := [name for name in known if name not in chosen.inventory.hosts]:
        raise UsageError(
            f"the inventory has no {fold_names(in_order(unknown))}, but the {of} has: use the inventory that it was"
            " made with"
        )
    hosts = tuple(name for name in chosen.names if name in known)
    if not hosts:
        raise UsageError(f"--limit selects no host of the {of}")
    return hosts


def record_outcome(record: Recorder, result: RunResult, plan: Plan) -> None:
    """Say what the history keeps of a run: with its hosts, what they are to be held against from now on."""

    def outcome() -> Outcome:
        undone = tuple(name for name, host in result.hosts.items() if host.status == "undone")
        is_rollback = result.kind == "rollback"
        return Outcome(
            hosts=run_history(result),
            parts={"result": run_json(result)}
            if is_rollback
            else {"result": run_json(result), "plan": plan_pieces(plan)},
            confirmed={} if is_rollback else confirmed_hosts(result, plan),
            taken_back=(result.plan_run, undone) if is_rollback else ("", ()),
        )

    record.came_to(outcome)


def tell(result: RunResult, *, form: Format, verbosity: int, output: Path | None) -> NoReturn:
    """Show the result, and end with its exit code."""
    show(_told(result, form, verbosity, terminal_width() if output is None else None), output)
    if output is not None:
        note(f"{render_run_summary(result).plain}; written to {output}")
    raise typer.Exit(run_exit_code(result))


def _told(result: RunResult, form: Format, verbosity: int, width: int | None) -> RenderableType:
    return run_json(result) if form is Format.JSON else render_run(result, verbosity=verbosity, width=width)
