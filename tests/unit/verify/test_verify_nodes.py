"""Connections of a verification: one a host, kept, strict, and closed at the end."""

from collections.abc import Iterator

import pytest
import testinfra
from nornir.core.inventory import Host, Hosts, Inventory
from support.verify import WEB

from fleet.model.connection import Completed, Endpoint
from fleet.model.errors import HostTimeoutError, UnreachableError, UsageError
from fleet.policy import HostView
from fleet.runner.fleet import Fleet
from fleet.transport import Command, Connection
from fleet.verify.backend import FleetBackend, session
from fleet.verify.nodes import Nodes


class Recorded:
    """A transport whose hosts print the command, which fails where told to."""

    def __init__(self) -> None:
        self.unreachable: set[str] = set()
        self.silent: set[str] = set()
        self.opened: list[str] = []
        self.closed: list[str] = []
        self.commands: list[Command] = []

    def open(self, endpoint: Endpoint) -> Connection:
        self.opened.append(endpoint.name)
        if endpoint.name in self.unreachable:
            raise UnreachableError(endpoint.name, "no answer")
        return RecordedConnection(self, endpoint.name)

    def close(self) -> None:
        self.closed.append("all")


class RecordedConnection:
    def __init__(self, transport: Recorded, name: str) -> None:
        self._transport = transport
        self._name = name

    def run(self, command: Command) -> Completed:
        self._transport.commands.append(command)
        if self._name in self._transport.silent:
            raise HostTimeoutError(self._name, "too slow")
        return Completed(exit_status=3, stdout=command.arguments[-1].encode(), stderr=b"caf\xc3\xa9")

    def close(self) -> None:
        self._transport.closed.append(self._name)


def view(name: str) -> HostView:
    return HostView(name=name, groups=("web",) if name.startswith("web") else (), data={}, address=name)


@pytest.fixture
def transport() -> Recorded:
    return Recorded()


@pytest.fixture
def nodes(transport: Recorded) -> Iterator[Nodes]:
    names = ("web-1", "web-2", "db-1")
    inventory = Inventory(hosts=Hosts({name: Host(name, hostname=name) for name in names}))
    with Fleet(inventory, transport, keep_open=True) as fleet:
        made = Nodes(fleet, names=("web-1", "db-1"), inventory=[view(name) for name in names], groups=("web", "spare"))
        with session(made):
            yield made


def test_commands_of_testinfra_run_as_root_in_a_shell_over_one_connection(nodes: Nodes, transport: Recorded) -> None:
    host = testinfra.get_host("fleet://web-1")
    done = host.run("ls -l %s", "/a b; id")
    assert (done.rc, done.stdout, done.stderr) == (3, "ls -l '/a b; id'", "café")
    assert host.run("true").failed
    assert transport.commands == [
        Command(arguments=("sh", "-c", "ls -l '/a b; id'"), become=True),
        Command(arguments=("sh", "-c", "true"), become=True),
    ]
    assert transport.opened == ["web-1"]
    assert nodes.hosts.keys() == {"web-1", "db-1"}


def test_sudo_of_testinfra_names_another_user(nodes: Nodes, transport: Recorded) -> None:
    assert nodes
    host = testinfra.get_host("fleet://web-1")
    with host.sudo("nobody"):
        host.run("id")
    assert transport.commands[-1].arguments == ("sh", "-c", "sudo -u nobody /bin/sh -c id")


@pytest.mark.parametrize(
    ("expression", "names"),
    [("", ["web-1", "db-1"]), ("web", ["web-1"]), ("not web-*", ["db-1"]), ("web-2", []), ("spare", [])],
)
def test_a_module_of_tests_chooses_among_the_chosen_hosts(nodes: Nodes, expression: str, names: list[str]) -> None:
    assert nodes
    assert [
        host.backend.get_hostname() for host in testinfra.get_hosts([f"fleet://{expression}"], n=id(nodes))
    ] == names


def test_a_mistyped_host_is_refused(nodes: Nodes, transport: Recorded) -> None:
    with pytest.raises(UsageError, match="did you mean 'web-1'"):
        FleetBackend.get_hosts("wbe-1")
    with pytest.raises(UsageError, match=r"no host 'web-3' was chosen \(did you mean 'web-1'"):
        nodes.on("web-3", lambda _, connection: connection)
    assert transport.opened == []


def test_a_host_that_cannot_be_reached_is_tried_once(nodes: Nodes, transport: Recorded) -> None:
    transport.unreachable.add("web-1")
    for _ in range(3):
        with pytest.raises(UnreachableError, match="no answer"):
            testinfra.get_host("fleet://web-1").run("true")
    testinfra.get_host("fleet://db-1").run("true")
    assert transport.opened == ["web-1", "db-1"]
    assert nodes.on_all(["web-1"], lambda *_: 1).keys() == {"web-1"}


def test_after_a_failed_command_the_host_is_connected_to_anew(nodes: Nodes, transport: Recorded) -> None:
    assert nodes
    host = testinfra.get_host("fleet://web-1")
    transport.silent.add("web-1")
    with pytest.raises(HostTimeoutError):
        host.run("sleep 100")
    transport.silent.clear()
    assert host.run("true").rc == 3
    assert (transport.opened, transport.closed) == (["web-1", "web-1"], ["web-1"])


def test_outside_a_session_there_is_no_such_host() -> None:
    with pytest.raises(UsageError, match="--fleet-inventory"):
        FleetBackend(WEB.name).run("true")
