"""Standard streams as whoever called us left them, made fit to write to."""

import os
import sys
from io import TextIOWrapper
from typing import Literal, TextIO


def prepare_streams() -> None:
    """Open what the caller has closed, and write what the locale cannot show as its backslash escape.

    A closed descriptor would be given to the first socket or file that is opened, which results then were written to.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    if sys.stdin is None:
        sys.stdin = _nothing("r")
    if sys.stdout is None:
        sys.stdout = _nothing("w")
    if sys.stderr is None:
        sys.stderr = _nothing("w")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def let_go(stream: TextIO) -> None:
    """Write to nowhere from now on; else Python would complain once more when it closes the stream."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _nothing(mode: Literal["r", "w"]) -> TextIOWrapper:
    return open(os.devnull, mode, encoding="utf-8")  # noqa: PTH123 it lives as long as the process
