"""What one command costs: its own processes apart from those of the nodes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from signal import SIGTERM

_LAUNCHER = Path(__file__).with_name("programs") / "launch.py"
_VARIABLE = "FLEET_BENCHMARK"
_TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One run of one command.

    Attributes:
        client: seconds of CPU of the command and all that it started, without the nodes.
        server: seconds of CPU of the nodes meanwhile.
        wall: seconds.
        peak: MiB of its largest process.
    """

    client: float
    server: float
    wall: float
    peak: float


class WrongResultError(Exception):
    """A contestant did not do the work that is measured."""


def measured(  # noqa: PLR0913 each says something else about the command
    command: Sequence[str | Path],
    *,
    log: Path,
    environment: Mapping[str, str],
    right: Sequence[int],
    within: float,
    server: Callable[[], float],
) -> Cost:
    """Run a command to its end.

    Args:
        log: gets what the command prints.
        environment: beside our own.
        right: exit codes that mean that the work was done.
        within: seconds.
        server: seconds of CPU that the nodes have used so far.

    Raises:
        WrongResultError: another exit code, or no end in time.
    """
    mark = token_hex(8)
    result = log.with_suffix(".cost")
    result.unlink(missing_ok=True)
    before = server()
    with log.open("wb") as output, suppress(subprocess.TimeoutExpired):
        subprocess.run(  # noqa: S603 the commands are ours
            [sys.executable, "-I", "-S", _LAUNCHER, result, *command],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment, _VARIABLE: mark},
            timeout=within,
        )
    left = _left_behind(mark)
    name, tail = " ".join(map(str, command[:4])), log.read_text(errors="replace")[-4000:]
    if not result.exists():
        raise WrongResultError(f"{name} did not end within {within:.0f} s:\n{tail}")
    told = json.loads(result.read_text())
    if told["code"] not in right:
        raise WrongResultError(f"{name} ended with {told['code']}:\n{tail}")
    return Cost(client=told["client"] + left, server=server() - before, wall=told["wall"], peak=told["peak"])


def cpu_of(pid: int) -> float:
    """Seconds of CPU of a process and of its children that have ended.

    https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    """
    with suppress(OSError):
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / _TICKS
    return 0.0


def _left_behind(mark: str) -> float:
    """End what the command left in the background, such as the masters of shared SSH connections; give their CPU."""
    seconds = 0.0
    for entry in _PROC.iterdir():
        with suppress(OSError):
            if entry.name.isdecimal() and f"{_VARIABLE}={mark}".encode() in (entry / "environ").read_bytes():
                seconds += cpu_of(int(entry.name))
                os.kill(int(entry.name), SIGTERM)
    return seconds
