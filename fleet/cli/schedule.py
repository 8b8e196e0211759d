"""``fleet schedule``: drift checks that this machine makes by itself."""

import os
import re
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from fleet.cli import options
from fleet.cli.output import check_metrics, note, show, terminal_width
from fleet.cli.playbook import find_playbook
from fleet.cli.target import target
from fleet.drift.notify.targets import check_targets
from fleet.drift.private import check_private
from fleet.drift.schedule.cron import Cron
from fleet.drift.schedule.systemd import Systemd, check_calendar, is_running
from fleet.drift.schedule.units import unit_name
from fleet.model.errors import FleetError, UsageError
from fleet.model.schedule import Schedule
from fleet.policy import load_playbook
from fleet.policy.duration import parse_duration
from fleet.report.schedule_terminal import render_schedules

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_SHORTEST: Final = 60

# A service sees neither: each has a folder of its own there.
_OWN_FOLDERS: Final = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 nothing is made there

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="As `fleet schedule show` lists it.")]
CronOption = Annotated[bool, typer.Option("--cron", help="With cron, where there is no systemd.")]


@app.callback()
def schedule() -> None:
    """Check for drift again and again, by a timer of this machine."""


@app.command()
def install(
    playbook: Annotated[
        str, typer.Argument(metavar="PLAYBOOK", help="A file, or the name of one in playbooks/ or of a shipped one.")
    ],
    every: Annotated[
        str | None, typer.Option("--every", metavar="TIME", help="From one check to the next, such as 15m or 6h.")
    ] = None,
    calendar: Annotated[
        str | None, typer.Option("--on-calendar", metavar="TIMES", help="As systemd has them: 'Mon..Fri 06:00'.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Of the schedule. [default: that of the playbook]")
    ] = None,
    inventory: options.InventoryOption = "inventory",
    limit: options.LimitOption = None,
    become: options.BecomeOption = None,
    metrics: options.MetricsOption = None,
    notify: options.NotifyOption = None,
    notify_file: options.NotifyFileOption = options.DEFAULT_NOTIFY_FILE,
    state_dir: options.StateDirOption = options.DEFAULT_STATE_DIR,
    environment: Annotated[
        Path | None,
        typer.Option("--environment", metavar="FILE", dir_okay=False, help="VARIABLE=value lines for the checks."),
    ] = None,
    cron: CronOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the files, and write nothing.")] = False,
) -> None:
    """Let this machine check for drift: as root by its systemd, as another user by that user's own.

    A schedule of the same name that was made by this command is replaced; what others have made is not.
    """
    found = find_playbook(playbook).absolute()
    check_metrics(metrics)
    check_targets(notify_file, notify or ())
    target(inventory=inventory, local=False, limit=limit, policy=load_playbook(found))
    command = [str(_program()), "drift", str(found), "--inventory", str(Path(inventory).absolute())]
    command += ["--limit", limit] if limit is not None else []
    command += ["--become", become.value] if become is not None else []
    command += ["--metrics", str(metrics.absolute())] if metrics is not None else []
    for each in notify or ():
        command += ["--notify", each]
    command += ["--notify-file", str(notify_file.absolute())] if notify else []
    wanted = Schedule(
        name=_name(name, found),
        command=(*command, "--state-dir", str(state_dir.absolute())),
        directory=Path.cwd(),
        every=_seconds(every, calendar),
        calendar=calendar,
        state_dir=state_dir.absolute(),
        metrics_dir=metrics.absolute().parent if metrics is not None else None,
        environment=environment.absolute() if environment is not None else None,
    )
    keeper = _keeper(wanted, cron=cron)
    files = keeper.files(wanted)
    if dry_run:
        show("\n".join(f"# {path}\n{text}" for path, text in files.items()), None)
        return
    if not cron and not is_running():
        raise UsageError("systemd does not run this machine: use --cron")
    try:
        wanted.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise FleetError(f"cannot make {state_dir}: {error.strerror}") from error
    keeper.install(wanted)
    for path in files:
        note(f"written  {path}")
    _advise(keeper, wanted)


@app.command("show")
def show_schedules(*, cron: CronOption = False) -> None:
    """List the schedules of this machine or user: when each checks next, and what the last check came to."""
    keeper = Cron() if cron else Systemd.of_this_user()
    names = keeper.names()
    if names:
        show(render_schedules(map(keeper.state, names), width=terminal_width()), None)
    else:
        note("nothing is scheduled")


@app.command()
def remove(name: NameArgument, *, cron: CronOption = False) -> None:
    """Stop a schedule and remove all of it; the history stays."""
    keeper = Cron() if cron else Systemd.of_this_user()
    for path in keeper.remove(name):
        note(f"removed  {path}")


def _keeper(wanted: Schedule, *, cron: bool) -> Systemd | Cron:
    if cron:
        if wanted.environment is not None:
            raise UsageError("--environment is systemd's: with --cron the checks have the environment of cron")
        return Cron()
    systemd = Systemd.of_this_user()
    if wanted.environment is not None:
        check_private(wanted.environment)
    if wanted.calendar is not None:
        check_calendar(wanted.calendar)
    if systemd.of_root:
        for path in (wanted.directory, wanted.state_dir, wanted.metrics_dir, *map(Path, wanted.command)):
            if path is not None and any(path.is_relative_to(own) for own in _OWN_FOLDERS):
                raise UsageError(f"{path}: a service does not see this folder; keep what it needs somewhere else")
    return systemd


def _program() -> Path:
    """This program, as whoever runs the schedule can start it."""
    return Path(sys.argv[0]).absolute()


def _name(given: str | None, playbook: Path) -> str:
    name = given if given is not None else re.sub(r"[^a-z0-9]+", "-", playbook.stem.lower()).strip("-")
    if not _NAME.fullmatch(name):
        raise UsageError(f"'{name}' cannot be the --name of a schedule: use small letters, digits and hyphens")
    return name


def _seconds(every: str | None, calendar: str | None) -> int | None:
    if (every is None) == (calendar is None):
        raise UsageError("say how often: either --every, such as 15m, or --on-calendar, such as daily")
    if every is None:
        return None
    try:
        seconds = parse_duration(every)
    except ValueError as error:
        raise UsageError(f"--every {error}; for more than a day use --on-calendar") from None
    if seconds < _SHORTEST:
        raise UsageError("--every must be at least 1m")
    return int(seconds)


def _advise(keeper: Systemd | Cron, wanted: Schedule) -> None:
    """Say what would make the checks differ from those that the operator makes by hand."""
    if os.environ.get("FLEET_HISTORY") and wanted.environment is None:
        note("warning: $FLEET_HISTORY is not known to the checks: put it into a file and name that with --environment")
    if os.geteuid() == 0 and (user := os.environ.get("SUDO_USER")):
        note(f"the checks log in as root does, with keys and known hosts of root and not of {user}")
    if isinstance(keeper, Systemd) and not keeper.of_root:
        note("the checks run while you are logged in; always with: loginctl enable-linger")
    if isinstance(keeper, Systemd):
        manager = "systemctl" if keeper.of_root else "systemctl --user"
        note(f"to check now: {manager} start {unit_name(wanted.name)}.service")
