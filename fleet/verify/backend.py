"""Testinfra's backends of ours: two over fleet's connections, ``fleet://NAME`` among them, and one on facts."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from testinfra.backend import BACKENDS
from testinfra.backend.base import BaseBackend, CommandResult

from fleet.facts import ProbeRequest
from fleet.model.connection import Completed
from fleet.model.errors import UsageError
from fleet.model.facts import NodeFacts
from fleet.transport import Command, Connection
from fleet.verify.answers import answer
from fleet.verify.nodes import Nodes


class _Backend(BaseBackend):
    def get_encoding(self) -> str:
        """Take texts of nodes for UTF-8; testinfra would start Python on the node to ask."""
        return "utf-8"

    def _result(self, command: str, completed: Completed) -> CommandResult:
        return self.result(completed.exit_status, command.encode(), completed.stdout, completed.stderr)


class FleetBackend(_Backend):
    """Runs testinfra's commands on hosts of the inventory, as root where the inventory says ``become``.

    ``fleet://`` takes what ``--limit`` takes: a name, or an expression such as ``fleet://k3s and not maintenance``.
    """

    NAME = "fleet"
    nodes: ClassVar[Nodes | None] = None
    """The hosts of the session; testinfra makes backends from text alone."""

    @classmethod
    def get_hosts(cls, host: str, **_settings: Any) -> list[str]:  # noqa: ANN401 the signature is testinfra's
        """Choose among the hosts of the session.

        Raises:
            UsageError: the expression cannot be read, or names what the inventory does not have.
        """
        return list(cls._session().select(host or "all"))

    def run(self, command: str, *args: str, **_settings: Any) -> CommandResult:  # noqa: ANN401 see above
        """Run a command line of a shell on the host.

        Raises:
            HostError: it did not run to its end.
        """
        line = self.get_command(command, *args)
        return self._result(line, self._session().on(self.hostname, lambda _, connection: _run(connection, line)))

    @classmethod
    def _session(cls) -> Nodes:
        if cls.nodes is None:
            raise UsageError("fleet:// hosts need 'fleet verify', or pytest with --fleet-inventory DIR")
        return cls.nodes


class ConnectionBackend(_Backend):
    """Runs testinfra's commands over one open connection, as root where the inventory says ``become``."""

    NAME = "connection"

    def __init__(self, hostname: str, connection: Connection) -> None:
        super().__init__(hostname)
        self._connection = connection

    def run(self, command: str, *args: str, **_settings: Any) -> CommandResult:  # noqa: ANN401 see above
        """Run a command line of a shell on the host.

        Raises:
            HostError: it did not run to its end.
        """
        line = self.get_command(command, *args)
        return self._result(line, _run(self._connection, line))


def _run(connection: Connection, line: str) -> Completed:
    return connection.run(Command(arguments=("sh", "-c", line), become=True))


class FactsBackend(_Backend):
    """Answers what testinfra's modules ask from facts that were already read, and refuses whatever else they ask.

    Args:
        hostname: in the inventory.
        facts: of the node.
        request: what the probe was asked for: of a file that it was not, nothing can be said.
    """

    NAME = "facts"

    def __init__(self, hostname: str, facts: NodeFacts, request: ProbeRequest) -> None:
        super().__init__(hostname)
        self._facts = facts
        self._request = request

    def run(self, command: str, *args: str, **_settings: Any) -> CommandResult:  # noqa: ANN401 see above
        """Answer a command as the node would.

        Raises:
            LookupError: the facts do not tell.
        """
        return self._result(self.quote(command, *args), answer(self._facts, self._request, command, args))


@contextmanager
def session(nodes: Nodes) -> Iterator[None]:
    """Let ``testinfra.get_host("fleet://NAME")`` reach these hosts."""
    BACKENDS[FleetBackend.NAME] = f"{FleetBackend.__module__}.{FleetBackend.__qualname__}"
    FleetBackend.nodes = nodes
    try:
        yield
    finally:
        FleetBackend.nodes = None
