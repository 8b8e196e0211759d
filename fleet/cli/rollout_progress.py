"""How far a rollout is: a live view on a terminal, a line for each batch and each event anywhere else."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Final, get_args

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from fleet.cli.output import console, note
from fleet.model.rollout import Phase
from fleet.report.grouping import fold_names, in_order
from fleet.report.layout import shown
from fleet.report.words import count_hosts

_PHASES: Final[tuple[Phase, ...]] = get_args(Phase)
_REFRESHES: Final = 8
"""A second."""


class RolloutLines:
    """Tells each batch and each event on a line of its own, and nothing of single hosts."""

    def __init__(self, to: Console | None = None) -> None:
        self._lock = Lock()
        self._console = to

    def batch(self, number: int, total: int, hosts: Sequence[str]) -> None:
        self.note(f"batch {number} of {total}: {count_hosts(len(hosts))}: {fold_names(in_order(hosts))}")

    def phase(self, host: str, phase: Phase) -> None: ...

    def note(self, text: str) -> None:
        with self._lock:
            note(text, self._console)


class RolloutView(RolloutLines):
    """The same lines, and below them what the hosts of the batch are doing."""

    def __init__(self, to: Console) -> None:
        super().__init__(to)
        self._title = ""
        self._since = time.monotonic()
        self._phases: dict[str, Phase | None] = {}

    def batch(self, number: int, total: int, hosts: Sequence[str]) -> None:
        super().batch(number, total, hosts)
        self._title, self._since = f"batch {number} of {total}", time.monotonic()
        self._phases = dict.fromkeys(hosts)

    def phase(self, host: str, phase: Phase) -> None:
        self._phases[host] = phase

    def lines(self) -> Iterator[Text]:
        """What stands at the bottom of the terminal now."""
        if not self._title:
            yield Text("starting", style="dim")
            return
        yield Text(f"{self._title}, {time.monotonic() - self._since:.0f} s")
        phases = dict(self._phases)
        for phase in (None, *_PHASES):
            if hosts := [host for host, current in phases.items() if current == phase]:
                head = Text(f"  {phase or 'waiting':<8}{len(hosts):>4}  ")
                yield head.append_text(shown(fold_names(in_order(hosts)), "dim"))

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        """Lay it out: each line is one, however narrow the terminal."""
        for line in self.lines():
            line.truncate(options.max_width, overflow="ellipsis")
            yield line


@contextmanager
def rollout_progress() -> Iterator[RolloutLines]:
    """Show progress on stderr while a rollout lasts."""
    if not sys.stderr.isatty():
        yield RolloutLines()
        return
    view = RolloutView(to := console(sys.stderr))
    with Live(view, console=to, transient=True, refresh_per_second=_REFRESHES):
        yield view
