"""``fleet audit``: hold nodes against a playbook."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import RenderableType

from fleet.cli import options
from fleet.cli.output import check_output, note, show, terminal_width
from fleet.cli.playbook import find_playbook
from fleet.cli.recording import recorded
from fleet.cli.target import target, visiting
from fleet.drift.history.location import history_location
from fleet.drift.history.recorder import Outcome
from fleet.model.errors import UsageError
from fleet.model.finding import Audit
from fleet.policy import load_playbook
from fleet.report.audit_json import audit_json
from fleet.report.history_hosts import audit_history
from fleet.report.status import exit_code
from fleet.report.terminal import render_audit, render_summary
from fleet.report.trend import trend_point
from fleet.runner.audit import audit as audit_hosts
from fleet.runner.choice import Runner, choose
from fleet.runner.closer import Look
from fleet.runner.connection import ConnectionSettings
from fleet.runner.fleet import DEFAULT_WORKERS


class Format(StrEnum):
    """How an audit is told."""

    TABLE = "table"
    JSON = "json"
    JUNIT = "junit"
    MARKDOWN = "markdown"


@options.connects
def audit(
    settings: ConnectionSettings,
    playbook: Annotated[
        str, typer.Argument(metavar="PLAYBOOK", help="A file, or the name of one in playbooks/ or of a shipped one.")
    ],
    inventory: options.InventoryOption = "inventory",
    limit: options.LimitOption = None,
    local: options.LocalOption = False,
    form: Annotated[Format, typer.Option("--format", "-f", help="How the result is told.")] = Format.TABLE,
    output: options.OutputOption = None,
    verbose: options.VerboseOption = 0,
    comparing: Annotated[
        bool, typer.Option("--compare", help="Tell how the hosts differ from each other, and what an upgrade will do.")
    ] = False,
    rehearse: Annotated[
        bool, typer.Option("--rehearse", help="Also try each node's own sysctl.d in namespaces of its own; needs root.")
    ] = False,
    pods: Annotated[bool, typer.Option("--pods", help="Also read the keys inside pods; needs root.")] = False,
    history: options.HistoryOption = None,
    state_dir: options.StateDirOption = options.DEFAULT_STATE_DIR,
    workers: options.WorkersOption = DEFAULT_WORKERS,
    runner: options.RunnerOption = Runner.AUTO,
    scheduler: options.SchedulerOption = None,
) -> None:
    """Compare each node with a playbook. Nothing is changed.

    Exit code 0: all as expected. 1: a host could not be checked. 2: usage. 3: findings.
    """
    if comparing and form is Format.JUNIT:
        raise UsageError("a comparison has no test cases: use --format table, json or markdown with --compare")
    check_output(output)
    kept = history_location(history, state_dir)
    policy = load_playbook(find_playbook(playbook))
    chosen = target(inventory=inventory, local=local, limit=limit, policy=policy)
    shards = choose(runner, hosts=len(chosen.names), workers=workers, local=local, scheduler=scheduler)
    asked: dict[Look, bool] = {"rehearsal": rehearse, "pods": pods}
    looks = [look for look, wanted in asked.items() if wanted]
    with recorded("audit", kept, playbook=playbook, digest=policy.digest) as record:
        with visiting("auditing", chosen, settings=settings, workers=workers, shards=shards) as fleet:
            result = audit_hosts(
                fleet, policy, hosts=chosen.names, playbook=playbook, looks=looks, run_id=record.run_id
            )
        record.came_to(
            lambda: Outcome(
                hosts=audit_history(result), parts={"result": audit_json(result)}, point=trend_point(result)
            )
        )
        width = terminal_width() if output is None else None
        show(_compared(result, form, width) if comparing else _told(result, form, verbose, width), output)
        if output is not None:
            note(f"{render_summary(result).plain}; written to {output}")
        raise typer.Exit(exit_code(result))


def _told(result: Audit, form: Format, verbosity: int, width: int | None) -> RenderableType | Iterator[str]:
    match form:
        case Format.JSON:
            return audit_json(result)
        case Format.JUNIT:
            from fleet.report.junit import audit_junit  # noqa: PLC0415 only who wants it waits for it to load

            return audit_junit(result)
        case Format.MARKDOWN:
            from fleet.report.markdown import audit_markdown  # noqa: PLC0415 see above

            return audit_markdown(result)
        case Format.TABLE:
            return render_audit(result, verbosity=verbosity, width=width)


def _compared(result: Audit, form: Format, width: int | None) -> RenderableType:
    from fleet.cli.comparing import compared  # noqa: PLC0415 see above

    return compared(result, form.value, width)
