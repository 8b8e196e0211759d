import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from nornir.core.inventory import Host, Hosts, Inventory

from fleet.model.connection import Completed, Endpoint
from fleet.model.errors import UnreachableError, UsageError
from fleet.policy import HostView
from fleet.runner.connection import ConnectionSettings, endpoint
from fleet.runner.fleet import Fleet
from fleet.transport import Command, Connection


def inventory(*names: str) -> Inventory:
    return Inventory(hosts=Hosts({name: Host(name, hostname=name) for name in names}))


class Recorded:
    """A transport that notes what is opened and closed, and fails where told to."""

    def __init__(self, failing: dict[str, Exception] | None = None) -> None:
        self.failing = failing or {}
        self.opened: list[str] = []
        self.closed: list[str] = []

    def open(self, endpoint: Endpoint) -> Connection:
        if endpoint.address in self.failing:
            raise self.failing[endpoint.address]
        self.opened.append(endpoint.address)
        return RecordedConnection(self, endpoint.address)

    def close(self) -> None:
        self.closed.append("all")


class RecordedConnection:
    def __init__(self, transport: Recorded, address: str) -> None:
        self._transport = transport
        self._address = address

    def run(self, command: Command) -> Completed:
        return Completed(exit_status=0, stdout=" ".join(command.arguments).encode(), stderr=b"")

    def close(self) -> None:
        self._transport.closed.append(self._address)


def greet(host: HostView, connection: Connection) -> bytes:
    return connection.run(Command(arguments=("hello", host.name))).stdout


def test_every_host_is_opened_once_and_closed() -> None:
    transport = Recorded()
    with Fleet(inventory("a", "b", "c"), transport) as fleet:
        assert fleet.run(greet) == {"a": b"hello a", "b": b"hello b", "c": b"hello c"}
    assert sorted(transport.opened) == ["a", "b", "c"]
    assert sorted(transport.closed) == ["a", "all", "b", "c"]


def test_one_failing_host_stops_no_other_and_is_visited_again_by_the_next_job() -> None:
    error = UnreachableError("b", "no answer")
    transport = Recorded({"b": error})
    with Fleet(inventory("a", "b"), transport) as fleet:
        assert fleet.run(greet) == {"a": b"hello a", "b": error}
        transport.failing.clear()
        assert fleet.run(greet) == {"a": b"hello a", "b": b"hello b"}


def test_only_the_named_hosts_are_visited() -> None:
    transport = Recorded()
    with Fleet(inventory("a", "b", "c"), transport) as fleet:
        assert list(fleet.run(greet, hosts=["c", "a"])) == ["a", "c"]


def test_a_bug_in_a_job_is_a_result_of_that_host_alone(capfd: pytest.CaptureFixture[str]) -> None:
    def stumble(host: HostView, _connection: Connection) -> str:
        return {"a": "fine"}[host.name]

    with Fleet(inventory("a", "b"), Recorded()) as fleet:
        results = fleet.run(stumble)
    assert results["a"] == "fine"
    assert isinstance(results["b"], KeyError)
    assert capfd.readouterr() == ("", "")


def test_what_makes_every_host_fail_is_an_error_of_the_run() -> None:
    with Fleet(inventory("a"), Recorded({"a": UsageError("bad ssh config")})) as fleet, pytest.raises(UsageError):
        fleet.run(greet)


def test_what_makes_every_host_fail_ends_the_run_before_the_hosts_that_wait() -> None:
    transport = Recorded({"a": UsageError("the configuration is broken")})
    with Fleet(inventory("a", "b", "c"), transport, workers=1) as fleet, pytest.raises(UsageError):
        fleet.run(greet)
    assert transport.opened == []


def test_an_endpoint_carries_the_inventory_name_and_the_address() -> None:
    seen: list[tuple[str, str]] = []

    class Noting(Recorded):
        def open(self, endpoint: Endpoint) -> Connection:
            seen.append((endpoint.name, endpoint.address))
            return super().open(endpoint)

    hosts = Hosts({"db-1": Host("db-1", hostname="192.0.2.1"), "bare": Host("bare")})
    with Fleet(Inventory(hosts=hosts), Noting(), workers=1) as fleet:
        fleet.run(greet)
    assert seen == [("db-1", "192.0.2.1"), ("bare", "bare")]


def test_a_rate_of_the_operator_wins_over_that_of_the_inventory() -> None:
    def of(settings: ConnectionSettings) -> Endpoint:
        extras = {"connect_rate": 5.0, "jump_logins": 3}
        return endpoint(
            name="n1", hostname="n1", username=None, password=None, port=None, extras=extras, settings=settings
        )

    assert (of(ConnectionSettings()).connect_rate, of(ConnectionSettings()).jump_logins) == (5.0, 3)
    assert of(ConnectionSettings(connect_rate=20.0)).connect_rate == 20.0


def test_no_more_than_the_given_workers_at_a_time() -> None:
    together = threading.Barrier(3, timeout=60)
    running: list[int] = []

    def meet(_host: HostView, _connection: Connection) -> int:
        running.append(threading.active_count())
        return together.wait()

    before = threading.active_count()
    with Fleet(inventory(*"abcdef"), Recorded(), workers=3) as fleet:
        fleet.run(meet)
    assert max(running) - before <= 3


def test_an_interrupt_leaves_at_once_and_drops_the_hosts_that_wait() -> None:
    started, release = threading.Event(), threading.Event()
    visited: list[str] = []

    def hang(host: HostView, _connection: Connection) -> None:
        visited.append(host.name)
        started.set()
        release.wait(10)

    def interrupt(when: Callable[[], object]) -> None:
        when()
        os.kill(os.getpid(), signal.SIGINT)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(interrupt, lambda: started.wait(10))
        with Fleet(inventory("a", "b"), Recorded(), workers=1) as fleet, pytest.raises(KeyboardInterrupt):
            fleet.run(hang)
    release.set()
    for thread in threading.enumerate():
        if thread.name.startswith("fleet-worker"):
            thread.join(10)
    assert visited == ["a"]


def test_a_stop_begins_no_further_host_and_lets_those_in_flight_end() -> None:
    started, release, stop = threading.Event(), threading.Event(), threading.Event()

    def wait(host: HostView, _connection: Connection) -> str:
        started.set()
        release.wait(10)
        return host.name

    def stop_then_release() -> None:
        started.wait(10)
        stop.set()
        release.set()

    transport = Recorded()
    with ThreadPoolExecutor(1) as pool, Fleet(inventory("a", "b", "c"), transport, workers=1) as fleet:
        pool.submit(stop_then_release)
        assert fleet.run(wait, stop=stop) == {"a": "a"}
        assert fleet.run(wait, stop=stop) == {}
        assert fleet.run(wait) == {"a": "a", "b": "b", "c": "c"}


def test_connections_that_are_kept_serve_the_next_job_too() -> None:
    transport = Recorded()
    with Fleet(inventory("a", "b"), transport, keep_open=True) as fleet:
        assert fleet.run(greet) == fleet.run(greet) == {"a": b"hello a", "b": b"hello b"}
        assert sorted(transport.opened) == ["a", "b"]
        assert transport.closed == []
    assert transport.closed == ["all"]


def test_a_kept_connection_on_which_a_job_failed_is_closed() -> None:
    def fail(host: HostView, _connection: Connection) -> None:
        raise UnreachableError(host.name, "lost")

    transport = Recorded()
    with Fleet(inventory("a"), transport, keep_open=True) as fleet:
        fleet.run(fail)
        assert transport.closed == ["a"]
        assert fleet.run(greet) == {"a": b"hello a"}
    assert transport.opened == ["a", "a"]
