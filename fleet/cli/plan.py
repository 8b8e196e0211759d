"""``fleet plan``: what a playbook would change on each node."""

from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType

from fleet.cli import options
from fleet.cli.output import note, show, terminal_width
from fleet.cli.playbook import find_playbook
from fleet.cli.recording import recorded
from fleet.cli.shipped import shipped
from fleet.cli.target import target, visiting
from fleet.drift.history.location import history_location
from fleet.drift.history.recorder import Outcome
from fleet.plan import Plan, plan_pieces, save_plan
from fleet.policy import load_playbook
from fleet.render import Templates
from fleet.report.history_hosts import plan_history
from fleet.report.plan_markdown import plan_markdown
from fleet.report.plan_status import plan_exit_code
from fleet.report.plan_terminal import render_plan, render_plan_summary
from fleet.runner.choice import Runner, choose
from fleet.runner.connection import ConnectionSettings
from fleet.runner.fleet import DEFAULT_WORKERS
from fleet.runner.plan import plan as plan_hosts


class Format(StrEnum):
    """How a plan is told."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"


TEXTS: dict[Format, Callable[[Plan], str | Iterator[str]]] = {Format.JSON: plan_pieces, Format.MARKDOWN: plan_markdown}


@options.connects
def plan(
    settings: ConnectionSettings,
    playbook: Annotated[str, typer.Argument(metavar="PLAYBOOK", help="A file, or the name of a shipped playbook.")],
    inventory: options.InventoryOption = "inventory",
    limit: options.LimitOption = None,
    local: options.LocalOption = False,
    form: Annotated[Format, typer.Option("--format", "-f", help="How the plan is told.")] = Format.TABLE,
    output: options.OutputOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", dir_okay=False, help="Save the plan too, readable by its owner only."),
    ] = None,
    templates: Annotated[
        Path | None,
        typer.Option("--templates", metavar="DIR", file_okay=False, help="Templates that take precedence over ours."),
    ] = None,
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, help="Also what is not changed, and why; twice: all of it.")
    ] = 0,
    history: options.HistoryOption = None,
    state_dir: options.StateDirOption = options.DEFAULT_STATE_DIR,
    workers: options.WorkersOption = DEFAULT_WORKERS,
    runner: options.RunnerOption = Runner.AUTO,
    scheduler: options.SchedulerOption = None,
) -> None:
    """Show what a playbook would change on each node. Nothing is changed.

    Exit code 0: nothing to change. 1: a host could not be planned. 2: usage. 3: changes are pending.
    """
    kept = history_location(history, state_dir)
    policy = load_playbook(find_playbook(playbook))
    chosen = target(inventory=inventory, local=local, limit=limit, policy=policy)
    shards = choose(runner, hosts=len(chosen.names), workers=workers, local=local, scheduler=scheduler)
    compiled = Templates(shipped("templates"), templates)
    with recorded("plan", kept, playbook=playbook, digest=policy.digest) as record:
        with visiting("planning", chosen, settings=settings, workers=workers, shards=shards) as fleet:
            result = plan_hosts(
                fleet, policy, hosts=chosen.names, playbook=playbook, templates=compiled, run_id=record.run_id
            )
        record.came_to(lambda: Outcome(hosts=plan_history(result), parts={"result": plan_pieces(result)}))
        if out is not None:
            save_plan(result, out)
        show(_told(result, form, verbose, terminal_width() if output is None else None), output)
        if output is not None:
            note(f"{render_plan_summary(result).plain}; written to {output}")
        if out is not None:
            note(f"the plan is saved in {out}")
        raise typer.Exit(plan_exit_code(result))


def _told(result: Plan, form: Format, verbosity: int, width: int | None) -> RenderableType | Iterator[str]:
    if form in TEXTS:
        return TEXTS[form](result)
    return render_plan(result, verbosity=verbosity, width=width)
