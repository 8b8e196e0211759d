"""``fleet drift``: what has become of nodes since the last check and the last confirmed run."""

import os
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import RenderableType

from fleet.cli import options
from fleet.cli.output import check_metrics, check_output, complain, note, show, terminal_width
from fleet.cli.playbook import find_playbook
from fleet.cli.recording import recorded
from fleet.cli.target import target, visiting
from fleet.drift.check import check, kept_parts, what_to_read
from fleet.drift.history.location import history_location
from fleet.drift.history.recorder import Outcome
from fleet.drift.notify.send import Message, tell
from fleet.drift.notify.targets import load_targets
from fleet.model.drift import DriftReport
from fleet.model.errors import FleetError, UsageError
from fleet.policy import load_playbook
from fleet.report.drift_json import drift_json
from fleet.report.drift_status import drift_exit_code
from fleet.report.drift_terminal import render_drift, render_drift_summary
from fleet.report.history_hosts import drift_history
from fleet.report.metrics import drift_metrics
from fleet.report.notify import notification
from fleet.report.status import EXIT_HOST_NOT_CHECKED
from fleet.report.trend import trend_point
from fleet.runner.audit import NOTHING_MORE
from fleet.runner.audit import audit as audit_hosts
from fleet.runner.choice import Runner, choose
from fleet.runner.connection import ConnectionSettings
from fleet.runner.fleet import DEFAULT_WORKERS


class Format(StrEnum):
    """How drift is told."""

    TABLE = "table"
    JSON = "json"


@options.connects
def drift(
    settings: ConnectionSettings,
    playbook: Annotated[
        str, typer.Argument(metavar="PLAYBOOK", help="A file, or the name of one in playbooks/ or of a shipped one.")
    ],
    inventory: options.InventoryOption = "inventory",
    limit: options.LimitOption = None,
    local: options.LocalOption = False,
    form: Annotated[Format, typer.Option("--format", "-f", help="How the result is told.")] = Format.TABLE,
    output: options.OutputOption = None,
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, help="Also what breaks nothing; twice: each host by itself.")
    ] = 0,
    metrics: options.MetricsOption = None,
    notify: options.NotifyOption = None,
    notify_file: options.NotifyFileOption = options.DEFAULT_NOTIFY_FILE,
    history_url: options.HistoryOption = None,
    state_dir: options.StateDirOption = options.DEFAULT_STATE_DIR,
    workers: options.WorkersOption = DEFAULT_WORKERS,
    runner: options.RunnerOption = Runner.AUTO,
    scheduler: options.SchedulerOption = None,
) -> None:
    """Tell what differs from a playbook and from the last confirmed run, since when, and why. Nothing is changed.

    Exit code 0: no drift. 1: a host could not be checked, or a target not be told. 2: usage. 3: drift is open.
    """
    kept = history_location(history_url, state_dir)
    if kept is None:
        raise UsageError("drift is told from the history: leave --history none out")
    check_output(output)
    check_metrics(metrics)
    targets = load_targets(notify_file, notify or (), os.environ)
    policy = load_playbook(find_playbook(playbook))
    chosen = target(inventory=inventory, local=local, limit=limit, policy=policy)
    shards = choose(runner, hosts=len(chosen.names), workers=workers, local=local, scheduler=scheduler)
    with recorded("drift", kept, playbook=playbook, digest=policy.digest) as record:
        try:
            history = record.history()
            more = what_to_read(history, chosen.names)
        except FleetError:
            # What it is, is told when the end cannot be recorded either.
            history, more = None, NOTHING_MORE
        with visiting("checking", chosen, settings=settings, workers=workers, shards=shards) as fleet:
            audit = audit_hosts(fleet, policy, hosts=chosen.names, playbook=playbook, more=more, run_id=record.run_id)
        result, is_remembered = check(audit, policy, history)
        record.came_to(
            lambda: Outcome(hosts=drift_history(result), parts=kept_parts(result, audit), point=trend_point(audit))
        )
        show(_told(result, form, verbose, terminal_width() if output is None else None), output)
        if output is not None:
            note(f"{render_drift_summary(result).plain}; written to {output}")
        messages = [Message(target=each, body=notification(result, policy.name, each)) for each in targets]
        untold = tell(messages, result.run_id, state_dir=state_dir)
        for each in untold:
            complain(f"{each.target} could not be told: {each.problem}")
        if metrics is not None:
            show(drift_metrics(result, policy.name, is_remembered=is_remembered), metrics)
        if is_remembered and not untold:
            record.is_ended()
        raise typer.Exit(EXIT_HOST_NOT_CHECKED if untold else drift_exit_code(result))


def _told(result: DriftReport, form: Format, verbosity: int, width: int | None) -> RenderableType:
    if form is Format.JSON:
        return drift_json(result)
    return render_drift(result, verbosity=verbosity, width=width)
