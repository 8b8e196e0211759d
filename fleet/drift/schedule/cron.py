"""The cron line of a schedule, for machines without systemd."""

import os
import platform
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from fleet.drift.schedule.files import check_free, check_known, is_ours, remove_all, write_all
from fleet.drift.schedule.units import MARK, unit_name
from fleet.model.errors import UsageError
from fleet.model.schedule import Schedule, ScheduleState
from fleet.model.text import printable

_PREFIX: Final = unit_name("")
_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR


def cron_file(schedule: Schedule, machine: str) -> str:
    """The file for ``/etc/cron.d``, in which a line also names who runs the command.

    Args:
        schedule: what runs; never twice at once.
        machine: its name, which decides on the minute, so that not all machines check at once.

    Raises:
        UsageError: cron cannot say how often, or a path cannot stand in its line.
    """
    command = shlex.join(("flock", "-n", str(schedule.state_dir), *schedule.command))
    line = f"cd {shlex.quote(str(schedule.directory))} && {command}"
    if "%" in line or not line.isprintable():
        raise UsageError(f"cron cannot use a path with % or a line break: {printable(line, 500)}")
    return f"{MARK}\n{_times(schedule, machine)} root {line}\n"


def _times(schedule: Schedule, machine: str) -> str:
    if schedule.every is None:
        raise UsageError("--on-calendar is systemd's: with --cron use --every")
    seconds = schedule.every
    spread = int.from_bytes(sha256(f"{machine} {schedule.name}".encode()).digest()[:4], "big")
    if seconds < _HOUR and seconds % _MINUTE == 0 and _HOUR % seconds == 0:
        minutes = seconds // _MINUTE
        return f"{spread % minutes}-59/{minutes} * * * *"
    if seconds <= _DAY and seconds % _HOUR == 0 and _DAY % seconds == 0:
        hours = seconds // _HOUR
        return f"{spread % 60} {spread // 60 % hours}-23/{hours} * * *"
    raise UsageError("cron counts in parts of an hour or a day: use --every 5m, 10m, 15m, 20m, 30m, 1h, 2h, 6h or 24h")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """The files that cron reads beside the crontabs of users; root's own."""

    folder: Path = Path("/etc/cron.d")

    def files(self, schedule: Schedule) -> Mapping[Path, str]:
        """What is written for a schedule.

        Raises:
            UsageError: cron cannot do it.
        """
        return {self._path(schedule.name): cron_file(schedule, platform.node())}

    def install(self, schedule: Schedule) -> None:
        """Write the line.

        Raises:
            FleetError: it cannot be written.
        """
        if os.geteuid() != 0:
            raise UsageError(f"{self.folder} is root's: see the line with --dry-run, and put it in with crontab -e")
        if not self.folder.is_dir():
            raise UsageError(f"there is no {self.folder}, which this cron would read")
        files = self.files(schedule)
        check_free(files)
        write_all(files)

    def remove(self, name: str) -> tuple[Path, ...]:
        """Remove the line, and give the file that it was in.

        Raises:
            FleetError: it cannot be removed.
        """
        check_known(name, self.names(), f"in {self.folder}")
        remove_all([self._path(name)])
        return (self._path(name),)

    def names(self) -> tuple[str, ...]:
        """The schedules that are installed."""
        found = (path.name.removeprefix(_PREFIX) for path in self.folder.glob(f"{_PREFIX}*") if is_ours(path))
        return tuple(sorted(found))

    def state(self, name: str) -> ScheduleState:
        """Only that it is there: cron keeps no record of what it has run."""
        return ScheduleState(name=name)

    def _path(self, name: str) -> Path:
        return self.folder / unit_name(name)
