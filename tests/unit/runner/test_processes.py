"""Hosts visited from processes of their own, which may be killed."""

import os
import pickle
import signal
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pytest
from nornir.core.inventory import Host, Hosts, Inventory

from fleet.model.connection import Completed, Endpoint
from fleet.model.errors import DocumentError, InternalError, ProtocolError, UnreachableError, UsageError
from fleet.model.secret import Secret
from fleet.policy import HostView
from fleet.policy.expression import compile_expression
from fleet.runner.choice import Runner, choose, pays
from fleet.runner.connection import ConnectionSettings, Credentials
from fleet.runner.fleet import Fleet
from fleet.runner.processes import Processes
from fleet.transport import Command, Connection, FakeTransport
from fleet.transport.fake import FakeConnection

NAMES = tuple(f"n{number}" for number in range(9))


class Telling(FakeTransport):
    """Does not reach n3, and tells among how many transports it has to share what the network may be asked."""

    def open(self, endpoint: Endpoint) -> FakeConnection:
        if endpoint.name == "n3":
            raise UnreachableError("n3", f"no route, for one of {endpoint.transports}", advice="look")
        return super().open(endpoint)


def transport() -> FakeTransport:
    return Telling({name: Completed(exit_status=0, stdout=name.encode(), stderr=b"") for name in NAMES})


def inventory() -> Inventory:
    return Inventory(hosts=Hosts({name: Host(name, hostname=name) for name in NAMES}))


def visited(job: object, *, stop: Event | None = None, progress: "Noted | None" = None) -> dict[str, object]:
    shards = Processes(processes=2, workers=4, transport=transport)
    with Fleet(inventory(), transport(), shards=shards, progress=progress) as fleet:
        return dict(fleet.run(job, stop=stop))  # type: ignore[arg-type] # each test has its own


class Noted:
    def __init__(self) -> None:
        self.begun: list[str] = []
        self.done: list[str] = []

    def started(self, host: str) -> None:
        self.begun.append(host)

    def finished(self, host: str) -> None:
        self.done.append(host)


def where(host: HostView, connection: Connection) -> tuple[bytes, int]:
    return connection.run(Command(arguments=("hello", host.name))).stdout, os.getpid()


def stumble(host: HostView, _connection: Connection) -> str:
    return {"n1": "fine"}[host.name]


def unsendable(_host: HostView, _connection: Connection) -> object:
    return lambda: None


def refuse(_host: HostView, _connection: Connection) -> None:
    raise UsageError("the configuration is broken")


@dataclass(frozen=True)
class Dying:
    """Dies on n2, as often as told: each death takes one file away."""

    lives: Path

    def __call__(self, host: HostView, _connection: Connection) -> str:
        if host.name == "n2" and (left := sorted(self.lives.iterdir())):
            left[0].unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return host.name


def test_hosts_are_shared_out_and_come_back_in_order_with_their_errors() -> None:
    progress = Noted()
    outcomes = visited(where, progress=progress)
    assert tuple(outcomes) == NAMES
    lost = outcomes.pop("n3")
    assert isinstance(lost, UnreachableError)
    assert (lost.host, str(lost)) == ("n3", "no route, for one of 2: look")
    answers = {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, tuple)}
    assert {name: answer for name, (answer, _) in answers.items()} == {n: n.encode() for n in NAMES if n != "n3"}
    assert os.getpid() not in {pid for _, pid in answers.values()}
    assert sorted(progress.begun) == sorted(progress.done) == list(NAMES)


def test_a_bug_in_a_job_is_told_with_its_place() -> None:
    outcomes = visited(stumble)
    assert outcomes["n1"] == "fine"
    assert isinstance(outcomes["n2"], InternalError)
    assert "KeyError at test_processes.py:" in str(outcomes["n2"])


def test_a_result_that_cannot_be_sent_is_a_bug_of_that_host() -> None:
    assert "this is a bug in fleet" in str(visited(unsendable)["n1"])


def test_what_makes_every_host_fail_is_an_error_of_the_run() -> None:
    with pytest.raises(UsageError, match="the configuration is broken"):
        visited(refuse)


def test_the_hosts_of_a_process_that_was_killed_are_visited_again(tmp_path: Path) -> None:
    (tmp_path / "one").touch()
    progress = Noted()
    outcomes = visited(Dying(tmp_path), progress=progress)
    assert [outcomes[name] for name in NAMES if name != "n3"] == [name for name in NAMES if name != "n3"]
    assert sorted(progress.begun) == sorted(progress.done) == list(NAMES)


def test_a_host_that_kills_two_processes_is_given_up_with_words(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).touch()
    lost = visited(Dying(tmp_path))["n2"]
    assert isinstance(lost, InternalError)
    assert "exit code -9" in str(lost)


def test_once_stopped_no_host_is_begun() -> None:
    stop = Event()
    stop.set()
    assert visited(where, stop=stop) == {}


class WithPassword:
    """A transport whose hosts say the password that came for them."""

    def open(self, endpoint: Endpoint) -> Connection:
        assert endpoint.password is not None
        said = Completed(exit_status=0, stdout=endpoint.password.reveal().encode(), stderr=b"")
        return FakeTransport({endpoint.name: said}).open(endpoint)

    def close(self) -> None:
        pass


def shows(_host: HostView, connection: Connection) -> tuple[bytes, str]:
    files = [Path("/proc/self/cmdline"), Path("/proc/self/environ")]
    came = connection.run(Command(arguments=("say", "it"))).stdout
    return came, "".join(file.read_text(errors="replace") for file in files)


def test_a_password_comes_and_is_in_no_argument_list_and_no_environment() -> None:
    settings = ConnectionSettings(credentials=Credentials(password=Secret("open-sesame")))
    shards = Processes(processes=1, workers=1, transport=WithPassword)
    with Fleet(inventory(), transport(), settings=settings, shards=shards) as fleet:
        outcome = fleet.run(shows, hosts=["n1"])["n1"]
    assert isinstance(outcome, tuple)
    came, shown = outcome
    assert came == b"open-sesame"
    assert "open-sesame" not in shown


@pytest.mark.parametrize(
    "error",
    [
        ProtocolError("n1", "cut off", advice="look"),
        DocumentError("no such key", path="hosts.yaml", line=3, column=1, hint="did you mean"),
    ],
)
def test_an_error_that_was_sent_says_the_same(error: Exception) -> None:
    sent = pickle.loads(pickle.dumps(error))  # noqa: S301 our own
    assert (type(sent), str(sent), vars(sent)) == (type(error), str(error), vars(error))


def test_an_expression_that_was_sent_gives_the_same_value() -> None:
    sent = pickle.loads(pickle.dumps(compile_expression("cpus * 2")))  # noqa: S301 our own
    assert sent.evaluate({"cpus": 4}) == 8


def test_processes_are_chosen_for_many_hosts_on_many_cores_only() -> None:
    assert [pays(hosts=hosts, cores=cores) for hosts, cores in ((999, 64), (1000, 3), (1000, 4))] == [
        False,
        False,
        True,
    ]
    assert choose(Runner.THREADS, hosts=10**6, workers=50, local=False) is None
    assert choose(Runner.PROCESSES, hosts=2, workers=50, local=False) is not None
    with pytest.raises(UsageError, match="leave --runner out"):
        choose(Runner.PROCESSES, hosts=1, workers=50, local=True)
