"""Programs that a run starts on the controller: hooks, and gates that are commands."""

import os
import selectors
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import IO

from fleet.model.text import printable

_KEPT_OUTPUT = 64 * 1024
_CHUNK = 65536
_TICK = 0.05
_GRACE = 2.0
_LAST_LINE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a program ended.

    Attributes:
        status: its exit status, minus the number of the signal that killed it; None where it did not start or did not
            end by itself.
        output: the end of what it printed to stdout and stderr, not to be trusted.
        failure: why it does not count as done, to follow its name: ``ended with status 1: 'no such node'``; safe to
            print; empty where the status is 0.
    """

    status: int | None
    output: bytes
    failure: str


def run_program(
    arguments: tuple[str, ...],
    *,
    environment: Mapping[str, str],
    timeout: float,
    stop: Callable[[], bool] = lambda: False,
) -> Ended:
    """Run a program without a shell, without a terminal and with nothing on stdin, and end all that it leaves behind.

    It is in a session of its own, so Ctrl-C reaches it only by ``stop``. Where it has to be ended, it and everything
    in its process group gets SIGTERM, and SIGKILL 2 seconds later.

    Args:
        arguments: the program, looked up in $PATH, and what it is given.
        environment: added to that of fleet.
        timeout: seconds.
        stop: asked several times a second whether the program is not wanted any more.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 the operator's own command, as arguments
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    except (OSError, ValueError) as error:  # ValueError: a NUL byte
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return Ended(status=None, output=b"", failure=f"cannot be started: {reason}")
    with process:
        return _watched(process, timeout, stop)


def _watched(process: subprocess.Popen[bytes], timeout: float, stop: Callable[[], bool]) -> Ended:
    deadline = monotonic() + timeout
    stdout = process.stdout
    if stdout is None:
        raise RuntimeError("the process was started without a pipe")
    os.set_blocking(stdout.fileno(), False)
    output = bytearray()
    try:
        while process.poll() is None:
            if stop():
                return _ended(None, output, "was stopped")
            if monotonic() >= deadline:
                return _ended(None, output, f"did not end within {round(timeout, 1):g} s and was killed")
            _wait(process, stdout, output)
        _read(stdout, output)
        return _ended(process.returncode, output, "")
    finally:
        _end_group(process)


def _wait(process: subprocess.Popen[bytes], stdout: IO[bytes], output: bytearray) -> None:
    """Until there is something to read, the program ends, or a moment is over."""
    if stdout.closed:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_TICK)
        return
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        if selector.select(_TICK):
            _read(stdout, output)


def _read(stdout: IO[bytes], output: bytearray) -> None:
    """Take what there is, and keep the end of it."""
    if stdout.closed:
        return
    # What goes on printing in the background does not hold up the end: one pipe's worth is read at a time.
    with suppress(BlockingIOError):
        data = os.read(stdout.fileno(), _CHUNK)
        if not data:
            stdout.close()
        output += data
        del output[:-_KEPT_OUTPUT]


def _ended(status: int | None, output: bytearray, failure: str) -> Ended:
    if status is not None and status < 0:
        failure = f"was killed by {_signal(-status)}"
    elif status:
        failure = f"ended with status {status}"
    last = bytes(output).rstrip().rpartition(b"\n")[2]
    said = printable(last.strip(), _LAST_LINE)
    if failure and said:
        failure += f": '{said}'"
    return Ended(status=status, output=bytes(output), failure=failure)


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End the program, where it still runs, and what it left in its group in any case."""
    if process.poll() is None:
        _signal_group(process, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
    _signal_group(process, signal.SIGKILL)
    process.wait()


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    # The group may be gone, or hold only a program that became somebody else.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
