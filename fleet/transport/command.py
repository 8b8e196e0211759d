"""What is to be run on a host, and what a connection to it can do."""

import shlex
from dataclasses import dataclass
from typing import Protocol

from fleet.model.connection import Completed, Endpoint

MAX_OUTPUT = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command, as arguments that reach the program unchanged whatever the login shell of the host.

    Attributes:
        stdin: written to the command, then closed; never shown in a list of processes, unlike the arguments.
        keep_stdin: it is closed only once the command has ended, or we have: for a command that must not outlive us.
        become: run as root, by the method of the endpoint.
        max_output: most bytes of stdout and stderr together; a longer answer is refused while it is read.
        timeout: seconds for the whole command; None takes the limit of the endpoint.
    """

    arguments: tuple[str, ...]
    stdin: bytes = b""
    keep_stdin: bool = False
    become: bool = False
    max_output: int = MAX_OUTPUT
    timeout: float | None = None


def shell_line(arguments: tuple[str, ...]) -> str:
    """Quote arguments for the login shell of a host, which may be a POSIX shell, csh or fish."""
    return shlex.join(arguments)


class Connection(Protocol):
    """One open connection to one host, for one thread at a time."""

    def run(self, command: Command) -> Completed:
        """Run a command to its end.

        Raises:
            HostError: the command did not run to its end. A command that ran and failed is no error here: its exit
                status says so.
        """
        ...

    def close(self) -> None:
        """End the connection; a second call does nothing."""
        ...


class Transport(Protocol):
    """What opens connections, made once a run and shared by all threads."""

    def open(self, endpoint: Endpoint) -> Connection:
        """Connect and log in.

        Raises:
            HostError: the host was not reached, or one side did not accept the other.
            UsageError: ~/.ssh/config, known_hosts or the endpoint asks for what cannot be done.
        """
        ...

    def close(self) -> None:
        """Close every connection that is still open; a second call does nothing."""
        ...
