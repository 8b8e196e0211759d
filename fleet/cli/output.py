"""Where results and messages go: results to stdout or a file, everything else to stderr."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from rich.console import Console, RenderableType
from rich.text import Text

from fleet.cli.streams import let_go
from fleet.model.errors import FleetError, UsageError
from fleet.model.text import printable

WIDTH_WITHOUT_TERMINAL = 120
_LONGEST_LINE = 10_000


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to `show`: rich would end the program with 1 here, whatever the result."""
        raise  # noqa: PLE0704 rich calls this while it handles the BrokenPipeError


def console(stream: TextIO) -> Console:
    """A console that colours and fits a terminal, and writes plain lines of a fixed width anywhere else."""
    width = None if stream.isatty() else WIDTH_WITHOUT_TERMINAL
    return _Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def terminal_width() -> int | None:
    """Columns of the terminal that shows results; None where stdout is no terminal, so that nothing is wrapped."""
    return console(sys.stdout).width if sys.stdout.isatty() else None


def message_width() -> int | None:
    """The same of the terminal that shows messages."""
    return console(sys.stderr).width if sys.stderr.isatty() else None


def complain(message: str) -> None:
    """Say on stderr why the command ends."""
    _say(f"error: {message}", style="red")


def note(message: str, to: Console | None = None) -> None:
    """Say something on stderr that is not part of the result.

    Args:
        message: may have several lines.
        to: the console of a live view, which is moved down for it.
    """
    _say(message, to=to)


def explain(what: Text) -> None:
    """Say on stderr what was laid out for it, such as what somebody is asked about."""
    try:
        console(sys.stderr).print(what, soft_wrap=True)
    except OSError:
        let_go(sys.stderr)


def _say(message: str, style: str | None = None, to: Console | None = None) -> None:
    # Messages quote arguments, names of files and the like, which may come from anywhere.
    message = "\n".join(printable(line, _LONGEST_LINE) for line in message.split("\n"))
    try:
        (to or console(sys.stderr)).print(message, style=style, soft_wrap=True)
    except OSError:
        # That nobody reads it, as in `fleet lab down 2>&1 | head`, is no reason to fail.
        let_go(sys.stderr)


def check_output(output: Path | None) -> None:
    """Refuse, before a long run, a file that its result could not be written to.

    Raises:
        UsageError: its directory is not there, or may not be written to.
    """
    if output is None or (output.exists() and not output.is_file()):
        return
    if not output.parent.is_dir():
        raise UsageError(f"cannot write {output}: there is no directory {output.parent}")
    if not os.access(output.parent, os.W_OK | os.X_OK):
        raise UsageError(f"cannot write {output}: the directory {output.parent} is not writable")


def check_metrics(metrics: Path | None) -> None:
    """Refuse, before a long run, a file that the textfile collector would not read, or that cannot be written.

    Raises:
        UsageError: it is such a file.
    """
    if metrics is not None and metrics.suffix != ".prom":
        raise UsageError(f"--metrics {metrics}: the textfile collector reads only files whose names end in .prom")
    check_output(metrics)


def show(result: RenderableType | Iterator[str], output: Path | None) -> None:
    """Write a result to stdout, or to a file: whole, or not at all.

    Args:
        result: text, whole or in pieces, is written as it is; anything else is laid out for a terminal.
        output: a regular file is replaced in one step; a pipe or device is written to.

    Raises:
        FleetError: it cannot be written.
    """
    if output is None:
        _show(result)
    else:
        _replace(output, lambda stream: _write(result, stream))


def show_lines(lines: Iterable[str], output: Path) -> int:
    """Write lines to a file as they come, whole or not at all, and give their number.

    Raises:
        FleetError: it cannot be written.
    """
    count = 0

    def write(stream: TextIO) -> None:
        nonlocal count
        for line in lines:
            stream.write(line)
            count += 1

    _replace(output, write)
    return count


def _replace(output: Path, write: Callable[[TextIO], None]) -> None:
    try:
        if output.exists() and not output.is_file():
            with output.open("w", encoding="utf-8") as stream:
                write(stream)
            return
        output = output.resolve()  # a link stays a link, /dev/stdout too
        beside = output.with_name(f".{output.name}.{os.getpid()}")
        try:
            with beside.open("w", encoding="utf-8") as stream:
                write(stream)
                stream.flush()
                os.fsync(stream.fileno())
            beside.replace(output)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise FleetError(f"cannot write {output}: {error.strerror}") from error


def _show(result: RenderableType | Iterator[str]) -> None:
    if isinstance(result, str | Iterator) and isinstance(sys.stdout, TextIOWrapper):
        # Formats for programs are UTF-8 whatever the locale.
        sys.stdout.reconfigure(encoding="utf-8")
    try:
        _write(result, sys.stdout)
        sys.stdout.flush()
    except OSError as error:
        let_go(sys.stdout)
        # The reader of a broken pipe, such as `head`, has what it wanted.
        if not isinstance(error, BrokenPipeError):
            raise FleetError(f"cannot write the result: {error.strerror}") from error


def _write(result: RenderableType | Iterator[str], stream: TextIO) -> None:
    if isinstance(result, str):
        stream.write(result if result.endswith("\n") else f"{result}\n")
    elif isinstance(result, Iterator):
        stream.writelines(result)
    else:
        console(stream).print(result, soft_wrap=True)
