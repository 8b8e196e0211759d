"""``fleet history``: what was done, by whom, and what came of it."""

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fleet.cli import options
from fleet.cli.kept import opened_history
from fleet.cli.output import check_output, note, show, show_lines, terminal_width
from fleet.model.errors import UsageError
from fleet.model.history import HistoryKind, HistoryWanted
from fleet.report.history_json import history_json, history_line, history_run_json
from fleet.report.history_terminal import render_history, render_history_run
from fleet.runner.audit import iso

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

_AGE = re.compile(r"(\d{1,5})([hdw])")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


class Format(StrEnum):
    """How the history is told."""

    TABLE = "table"
    JSON = "json"


class Kind(StrEnum):
    """What a run was."""

    AUDIT = "audit"
    PLAN = "plan"
    APPLY = "apply"
    ROLLBACK = "rollback"
    VERIFY = "verify"
    DRIFT = "drift"
    PROVE = "prove"
    DIAGNOSE = "diagnose"


FormatOption = Annotated[Format, typer.Option("--format", "-f", help="How the result is told.")]


@app.callback(invoke_without_command=True)
def history(
    context: typer.Context,
    kind: Annotated[list[Kind] | None, typer.Option("--kind", help="Only these; may be given more than once.")] = None,
    host: Annotated[str | None, typer.Option("--host", metavar="NAME", help="Only runs that this host was in.")] = None,
    most: Annotated[int, typer.Option("--last", "-n", min=1, max=10_000, metavar="N", help="The newest ones.")] = 20,
    export: Annotated[
        Path | None,
        typer.Option("--export", metavar="FILE", dir_okay=False, help="Write all runs as JSON lines, oldest first."),
    ] = None,
    prune: Annotated[
        str | None,
        typer.Option("--prune", metavar="AGE", help="Forget runs that are older, such as 90d; also 12h and 8w."),
    ] = None,
    form: FormatOption = Format.TABLE,
    output: options.OutputOption = None,
    history_url: options.HistoryOption = None,
    state_dir: options.StateDirOption = options.DEFAULT_STATE_DIR,
) -> None:
    """Show the runs of fleet, newest first: who, when, against what, and how each ended."""
    if context.invoked_subcommand is not None:
        return
    if export is not None and prune is not None:
        raise UsageError("--export and --prune are two things to do: export first")
    if prune is not None:
        before = _moment(prune)
        with opened_history(history_url, state_dir) as found:
            count = found.runs.prune(before)
        note(f"forgotten: {count} run{'' if count == 1 else 's'} begun before {before}")
        return
    if export is not None:
        check_output(export)
        with opened_history(history_url, state_dir) as found:
            count = show_lines(map(history_line, found.runs.oldest_first()), export)
        note(f"{count} run{'' if count == 1 else 's'} written to {export}")
        return
    check_output(output)
    kinds: tuple[HistoryKind, ...] = tuple(each.value for each in kind or ())
    with opened_history(history_url, state_dir) as found:
        entries = found.runs.entries(HistoryWanted(kinds=kinds, host=host, most=most))
        where = found.location.shown
    if form is Format.JSON:
        show(history_json(entries), output)
    elif entries:
        show(render_history(entries, width=terminal_width() if output is None else None), output)
    else:
        note(f"no run in the history {where}")


@app.command("show")
def show_run(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The id of the run, or latest.")],
    form: FormatOption = Format.TABLE,
    output: options.OutputOption = None,
    history_url: options.HistoryOption = None,
    state_dir: options.StateDirOption = options.DEFAULT_STATE_DIR,
) -> None:
    """Show one run; with --format json also the whole result, as the command itself told it."""
    check_output(output)
    with opened_history(history_url, state_dir) as found:
        wanted = found.runs.run(run)
    if form is Format.JSON:
        show(history_run_json(wanted), output)
    else:
        show(render_history_run(wanted, width=terminal_width() if output is None else None), output)


def _moment(age: str) -> str:
    match = _AGE.fullmatch(age)
    if match is None:
        raise UsageError(f"--prune takes an age such as 90d, 12h or 8w, and not '{age}'")
    return iso(datetime.now(UTC) - timedelta(**{_UNITS[match[2]]: int(match[1])}))
