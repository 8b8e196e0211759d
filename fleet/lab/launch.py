"""Starts the lab's processes so that they outlive us, and waits for each to be ready for its next step."""

import select
import subprocess
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from fleet.lab import processes
from fleet.model.errors import LabError
from fleet.model.text import printable

_SCRIPTS = Path(__file__).parent
_LAST_LINES = 5
_LINE_LENGTH = 300
# What a started process has to do before it answers is a matter of milliseconds.
_ANSWERS_WITHIN = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A process in namespaces of its own that waits for ``go``, and that ends when we end before that."""

    pid: int
    _stdin: IO[bytes]

    def go(self) -> None:
        # One that has ended in the meantime is noticed, with its log, where it fails to become ready.
        with suppress(BrokenPipeError):
            self._stdin.write(b"\n")


@contextmanager
def start_node(token: str, name: str, arguments: Sequence[str], directory: Path) -> Iterator[Started]:
    """Starts a node, whose log is ``log`` in its directory.

    Raises:
        LabError: it ended or fell silent.
    """
    namespaces = ["--net", "--mount", "--uts", "--pid", "--ipc", "--fork", "--propagation", "private"]
    command = ["unshare", *namespaces, "sh", str(_SCRIPTS / "node.sh"), name, *arguments]
    with _start(command, processes.environment(token, name), directory, directory / "log") as started:
        yield started


@contextmanager
def start_switch(token: str, log: Path) -> Iterator[Started]:
    """Starts the lab's switch.

    Raises:
        LabError: it ended or fell silent.
    """
    command = ["unshare", "--net", "sh", str(_SCRIPTS / "switch.sh")]
    with _start(command, processes.environment(token, ""), Path("/"), log) as started:
        yield started


def last_lines(log: Path) -> str:
    """The end of a log, safe to print."""
    try:
        with log.open(errors="replace") as file:
            return "\n".join(f"  {printable(line.rstrip(), _LINE_LENGTH)}" for line in deque(file, maxlen=_LAST_LINES))
    except OSError:
        return ""


@contextmanager
def _start(command: list[str], environment: dict[str, str], directory: Path, log: Path) -> Iterator[Started]:
    # setsid forks and ends: the process belongs to init from the start, whoever of us lives longer.
    with (
        log.open("ab") as stderr,
        subprocess.Popen(  # noqa: S603 - arguments of ours
            ["setsid", "--fork", *command],  # noqa: S607 - found along PATH like all our tools
            env=environment,
            cwd=directory,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
        ) as process,
    ):
        if process.stdin is None or process.stdout is None:
            raise AssertionError("pipes were asked for")
        ready, _, _ = select.select([process.stdout], [], [], _ANSWERS_WITHIN)
        answer = process.stdout.readline().strip() if ready else b""
        if not answer.isdigit():
            raise LabError(f"{' '.join(command[-3:])} did not start\n{last_lines(log)}")
        yield Started(pid=int(answer), _stdin=process.stdin)
