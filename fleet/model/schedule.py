"""Checks that the controller makes by itself."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A command that is to be run again and again.

    Attributes:
        name: by which it is shown and removed.
        command: the program, with its path, and its arguments.
        directory: where it runs.
        every: seconds from one start to the next; None where ``calendar`` says when.
        calendar: as systemd writes times, such as ``Mon..Fri 06:00``; None likewise.
        state_dir: where it keeps what it knows; it is there.
        metrics_dir: where it replaces a file; None where it writes no metrics.
        environment: a file of systemd's with variables, which may be secrets; None for none.
    """

    name: str
    command: tuple[str, ...]
    directory: Path
    every: int | None
    calendar: str | None
    state_dir: Path
    metrics_dir: Path | None = None
    environment: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleState:
    """What has become of a schedule.

    Attributes:
        next_start, last_start: ISO 8601 in UTC; None where there is none, or it is not known.
        exit_code: of the last check; None where there was none, or it is not known.
        result: as systemd calls it, such as ``success`` or ``exit-code``; empty where it is not known.
    """

    name: str
    next_start: str | None = None
    last_start: str | None = None
    is_running: bool = False
    exit_code: int | None = None
    result: str = ""
