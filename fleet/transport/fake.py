"""A transport without a network, for tests of what stands above it, ours and yours."""

from collections.abc import Mapping
from threading import Lock

from fleet.model.connection import Completed, Endpoint
from fleet.model.errors import AuthError, HostError, HostKeyError, UnreachableError
from fleet.transport.command import Command

_BEFORE_LOGIN = (UnreachableError, HostKeyError, AuthError)


class FakeTransport:
    """Gives each host one answer to every command. Implements `fleet.transport.command.Transport`.

    Args:
        answers: by inventory name. An error that can only come before the login is raised by ``open``, others by
            ``run``; a host that is not there is unreachable.

    Attributes:
        commands: what was run, as (host, command), in order.
        opened: hosts connected to, in order, once for each connection.
        closed: hosts whose connection was closed, likewise.
    """

    def __init__(self, answers: Mapping[str, Completed | HostError]) -> None:
        self._answers = answers
        self._lock = Lock()
        self.commands: list[tuple[str, Command]] = []
        self.opened: list[str] = []
        self.closed: list[str] = []

    def open(self, endpoint: Endpoint) -> "FakeConnection":
        """Connect, or raise the error of this host."""
        answer = self._answers.get(endpoint.name)
        if answer is None:
            raise UnreachableError(endpoint.name, "there is no such host", advice="add it to the answers")
        if isinstance(answer, _BEFORE_LOGIN):
            raise answer
        with self._lock:
            self.opened.append(endpoint.name)
        return FakeConnection(self, endpoint.name, answer)

    def close(self) -> None:
        """Nothing stays open."""

    def note(self, name: str, command: Command | None) -> None:
        """Record a command, or the end of a connection."""
        with self._lock:
            if command is None:
                self.closed.append(name)
            else:
                self.commands.append((name, command))


class FakeConnection:
    """A connection that answers every command alike."""

    def __init__(self, transport: FakeTransport, name: str, answer: Completed | HostError) -> None:
        self._transport = transport
        self._name = name
        self._answer = answer

    def run(self, command: Command) -> Completed:
        """Give the answer, or raise it."""
        self._transport.note(self._name, command)
        if isinstance(self._answer, HostError):
            raise self._answer
        return self._answer

    def close(self) -> None:
        """Record the end."""
        self._transport.note(self._name, None)
