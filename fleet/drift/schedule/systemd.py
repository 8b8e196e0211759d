"""Schedules that systemd keeps: installed, shown, removed."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from fleet.drift.schedule.files import check_free, check_known, is_ours, remove_all, write_all
from fleet.drift.schedule.units import service_unit, timer_unit, unit_name
from fleet.model.errors import FleetError, UsageError
from fleet.model.schedule import Schedule, ScheduleState
from fleet.transport.program import Ended, run_program

_TIMEOUT: Final = 60.0
_PREFIX: Final = unit_name("")
_QUIET: Final = {"LC_ALL": "C", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": "", "TZ": "UTC"}


def is_running() -> bool:
    """Whether systemd runs this machine: https://www.freedesktop.org/software/systemd/man/latest/sd_booted.html."""
    return Path("/run/systemd/system").is_dir()


@dataclass(frozen=True, slots=True, kw_only=True)
class Systemd:
    """A manager of units.

    Attributes:
        units: where those of an administrator are.
        of_root: whether it is the machine's own, and not that of a user.
        known_hosts: of whose checks run there.
    """

    units: Path
    of_root: bool
    known_hosts: Path

    @classmethod
    def of_this_user(cls) -> "Systemd":
        """That of the machine for root, and the user's own for others."""
        home = Path("~").expanduser()
        known_hosts = home / ".ssh" / "known_hosts"
        if os.geteuid() == 0:
            return cls(units=Path("/etc/systemd/system"), of_root=True, known_hosts=known_hosts)
        config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
        return cls(units=config / "systemd" / "user", of_root=False, known_hosts=known_hosts)

    def files(self, schedule: Schedule) -> Mapping[Path, str]:
        """What is written for a schedule.

        Raises:
            UsageError: a path cannot stand in a unit file.
        """
        service = service_unit(schedule, of_root=self.of_root, known_hosts=self.known_hosts)
        return dict(zip(self._paths(schedule.name), (service, timer_unit(schedule)), strict=True))

    def install(self, schedule: Schedule) -> None:
        """Write the units, and start the timer; of what fails nothing is left.

        Raises:
            FleetError: they cannot be written, or systemd refuses them.
        """
        files = self.files(schedule)
        check_free(files)
        timer = f"{unit_name(schedule.name)}.timer"
        try:
            write_all(files)
            for arguments in (("daemon-reload",), ("enable", timer), ("restart", timer)):
                self._must(*arguments)
        except FleetError:
            self._take_away(schedule.name)
            raise

    def remove(self, name: str) -> tuple[Path, ...]:
        """Stop a schedule and remove its units.

        Returns:
            What was removed.

        Raises:
            FleetError: it cannot be stopped or removed.
        """
        check_known(name, self.names(), f"in {self.units}")
        check_free(self._paths(name))
        self._must("stop", f"{unit_name(name)}.timer", f"{unit_name(name)}.service")
        self._take_away(name)
        return self._paths(name)

    def names(self) -> tuple[str, ...]:
        """The schedules that are installed."""
        found = (path.stem.removeprefix(_PREFIX) for path in self.units.glob(f"{_PREFIX}*.timer") if is_ours(path))
        return tuple(sorted(found))

    def state(self, name: str) -> ScheduleState:
        """What has become of a schedule.

        Raises:
            FleetError: systemd does not say.
        """
        unit = unit_name(name)
        wanted = "ExecMainStatus,ExecMainStartTimestamp,ActiveState,Result"
        said = self._must("show", f"{unit}.service", f"--property={wanted}", "--timestamp=unix").output
        service = dict(line.partition("=")[::2] for line in said.decode(errors="replace").splitlines())
        listed = self._must("list-timers", "--all", "--output=json", f"{unit}.timer").output
        try:
            [timer] = json.loads(listed)
            next_start = _moment((timer["next"] or 0) // 1_000_000)
            last_start = _moment(int(service["ExecMainStartTimestamp"].removeprefix("@") or 0))
        except (ValueError, KeyError, TypeError) as error:
            raise FleetError(f"systemctl list-timers or show told nothing that fleet understands of {unit}") from error
        return ScheduleState(
            name=name,
            next_start=next_start,
            last_start=last_start,
            is_running=service.get("ActiveState") == "activating",
            exit_code=int(service.get("ExecMainStatus", "0")) if last_start is not None else None,
            result=service.get("Result", ""),
        )

    def _take_away(self, name: str) -> None:
        unit = unit_name(name)
        self._systemctl("disable", "--now", f"{unit}.timer")
        # When a timer of the calendar has last elapsed.
        self._systemctl("clean", "--what=state", f"{unit}.timer")
        remove_all(self._paths(name))
        self._systemctl("daemon-reload")
        self._systemctl("reset-failed", f"{unit}.service", f"{unit}.timer")

    def _paths(self, name: str) -> tuple[Path, Path]:
        return self.units / f"{unit_name(name)}.service", self.units / f"{unit_name(name)}.timer"

    def _must(self, *arguments: str) -> Ended:
        ended = self._systemctl(*arguments)
        if ended.failure:
            raise FleetError(f"systemctl {' '.join(arguments)} {ended.failure}")
        return ended

    def _systemctl(self, *arguments: str) -> Ended:
        which = () if self.of_root else ("--user",)
        return run_program(("systemctl", *which, *arguments), environment=_QUIET, timeout=_TIMEOUT)


def check_calendar(text: str) -> None:
    """Refuse what systemd does not read as times.

    Raises:
        UsageError: with systemd's reason.
    """
    ended = run_program(("systemd-analyze", "calendar", "--", text), environment=_QUIET, timeout=_TIMEOUT)
    if ended.failure:
        raise UsageError(f"--on-calendar '{text}': systemd-analyze {ended.failure}")


def _moment(seconds: int) -> str | None:
    """ISO 8601 in UTC; None for 0, which is systemd's never."""
    if not seconds:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
