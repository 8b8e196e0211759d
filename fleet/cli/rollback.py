"""``fleet rollback``: take back what a run has changed."""

from pathlib import Path
from typing import Annotated

import typer

from fleet.cli import options
from fleet.cli.confirm import check_can_ask, confirm
from fleet.cli.output import check_output, explain, message_width, note, show, terminal_width
from fleet.cli.recording import recorded
from fleet.cli.rollout_run import (
    Format,
    FormatOption,
    VerboseOption,
    YesOption,
    carry_out,
    hosts_of,
    record_outcome,
    tell,
    who,
)
from fleet.cli.target import target
from fleet.drift.history.location import history_location
from fleet.model.errors import UsageError
from fleet.report.past_run_terminal import render_rollback
from fleet.report.runs_json import runs_json
from fleet.report.runs_terminal import render_runs
from fleet.report.words import count_hosts
from fleet.rollout import RollbackRequest, may_be_changed, plan_of, result_of, runs
from fleet.rollout import rollback as take_back
from fleet.runner.choice import Runner, check_deciding_here
from fleet.runner.connection import ConnectionSettings
from fleet.runner.fleet import DEFAULT_WORKERS, Fleet


@options.connects
def rollback(
    settings: ConnectionSettings,
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="The id of the run, as fleet rollback --list shows it.")
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="Show the runs, newest first.")] = False,
    inventory: options.InventoryOption = "inventory",
    limit: options.LimitOption = None,
    local: options.LocalOption = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also where a node has changed since, or would lose its protection.")
    ] = False,
    yes: YesOption = False,
    form: FormatOption = Format.TABLE,
    output: options.OutputOption = None,
    history: options.HistoryOption = None,
    state_dir: options.StateDirOption = options.DEFAULT_STATE_DIR,
    verbose: VerboseOption = 0,
    workers: options.WorkersOption = DEFAULT_WORKERS,
    runner: options.DecidingRunnerOption = Runner.AUTO,
    scheduler: options.SchedulerOption = None,
) -> None:
    """Give nodes back the files, modes and values that they had before a run.

    Exit code 0: all is as before. 1: a host failed. 2: usage. 4: stopped. 130: interrupted.
    """
    if (run is None) != listing:
        raise UsageError("name the run to take back, or see the runs with --list")
    check_deciding_here(runner, local=local, scheduler=scheduler)
    check_output(output)
    kept = history_location(history, state_dir)
    if run is None:
        _list(state_dir, form=form, output=output)
        return
    check_can_ask(yes=yes, command="fleet rollback")
    taken_back = result_of(run, state_dir)
    chosen = target(inventory=inventory, local=local, limit=limit, scheduler=scheduler)
    hosts = hosts_of(taken_back.hosts, chosen, of="run")
    touched = [name for name in hosts if may_be_changed(taken_back.hosts[name])]
    explain(render_rollback(taken_back, touched, force=force, width=message_width()))
    if touched:
        confirm(f"Take this back on {count_hosts(len(touched))}?", yes=yes)
    plan = plan_of(run, state_dir)
    with recorded("rollback", kept, playbook=plan.playbook, digest=plan.playbook_digest) as record:
        request = RollbackRequest(
            run_id=run, hosts=hosts, state_dir=state_dir, who=who(), force=force, own_run_id=record.run_id
        )
        with Fleet(chosen.inventory, chosen.transport, settings=settings, workers=workers) as fleet:
            result = carry_out(
                lambda progress, stop: take_back(fleet, request, progress, stop), again=f"fleet rollback {run}"
            )
        record_outcome(record, result, plan)
        tell(result, form=form, verbosity=verbose, output=output)


def _list(state_dir: Path, *, form: Format, output: Path | None) -> None:
    found, damaged = runs(state_dir)
    active = {each.result.run_id for each in found if each.active}
    results = [each.result for each in found]
    if form is Format.JSON:
        show(runs_json(results, active=active), output)
    elif results:
        show(render_runs(results, active=active, width=terminal_width() if output is None else None), output)
    elif not damaged:
        note(f"no run in {state_dir}")
    for problem in damaged:
        note(f"not listed: {problem}")
