"""Asking for a yes before something is changed."""

import sys

from fleet.model.errors import UsageError


def check_can_ask(*, yes: bool, command: str) -> None:
    """Refuse, before a long run, to ask where nobody can answer.

    Raises:
        UsageError: there is no terminal, and ``--yes`` was not given.
    """
    if not (yes or (sys.stdin.isatty() and sys.stderr.isatty())):
        raise UsageError(f"{command} asks before it changes nodes, and there is no terminal to ask on: add --yes")


def confirm(question: str, *, yes: bool) -> None:
    """Ask on the terminal; only the word ``yes`` is one.

    Args:
        question: what for, such as ``Apply this to 3 hosts?``.
        yes: it was said on the command line; nothing is asked.

    Raises:
        UsageError: the answer was another.
    """
    if yes:
        return
    sys.stderr.write(f"\n{question} Type yes: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != "yes":
        raise UsageError("nothing was changed: the answer was not yes")
