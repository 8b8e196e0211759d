"""How far a run is, on a terminal only."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from fleet.cli.output import console


class HostProgress:
    """A bar of finished hosts, and beside it one of those it still waits for."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task
        self._running: dict[str, None] = {}

    def started(self, host: str) -> None:
        self._running[host] = None

    def finished(self, host: str) -> None:
        self._running.pop(host, None)
        waiting_for = next(iter(list(self._running)), "")
        self._progress.update(self._task, advance=1, waiting_for=waiting_for)


@contextmanager
def host_progress(action: str, hosts: int) -> Iterator[HostProgress | None]:
    """Show progress on stderr while a run lasts; None where stderr is not a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[waiting_for]}", style="dim"),
    )
    with Progress(*columns, console=console(sys.stderr), transient=True) as progress:
        yield HostProgress(progress, progress.add_task(action, total=hosts, waiting_for=""))
