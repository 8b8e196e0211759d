"""The gates of a batch in their order, over nodes that are pretended."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Timer

import pytest
from nornir.core.inventory import Host, Hosts, Inventory
from support.counters import PROC, answer
from support.plans import plan_of
from support.probe import NONCE

from fleet.model.connection import Completed, Endpoint
from fleet.model.errors import UnreachableError, UsageError
from fleet.model.rollout import CommandGate, GateResult, PrometheusGate, RatesGate, VerifyGate
from fleet.rollout.gates import GateContext, check_gates
from fleet.rollout.occasion import Occasion
from fleet.runner.fleet import Fleet
from fleet.transport import Command, Connection

Answer = Callable[[str, Command], Completed]
NODE = CommandGate(command=("check", "{host}"), on="node")


class Nodes:
    """A transport whose hosts answer by a function."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.commands: list[tuple[str, Command]] = []

    def open(self, endpoint: Endpoint) -> Connection:
        return Node(self, endpoint.name)

    def close(self) -> None: ...


class Node:
    def __init__(self, nodes: Nodes, name: str) -> None:
        self._nodes = nodes
        self._name = name

    def run(self, command: Command) -> Completed:
        self._nodes.commands.append((self._name, command))
        return self._nodes.answer(self._name, command)

    def close(self) -> None: ...


def done(status: int = 0, stdout: bytes = b"", stderr: bytes = b"") -> Completed:
    return Completed(exit_status=status, stdout=stdout, stderr=stderr)


@contextmanager
def context(
    nodes: Nodes, *, changed: tuple[str, ...] = ("web-1", "web-2"), untouched: tuple[str, ...] = ()
) -> Iterator[GateContext]:
    inventory = Inventory(hosts=Hosts({name: Host(name, hostname=name) for name in (*changed, *untouched)}))
    with Fleet(inventory, nodes) as fleet:
        yield GateContext(
            fleet=fleet,
            run_id="20261120T120000Z-5f2a01",
            batch=2,
            changed=changed,
            untouched=untouched,
            plan=plan_of({}),
            policy=None,
            stop=Event(),
        )


def ok(_: str, __: Command) -> Completed:
    return done()


def test_first_gate_that_fails_is_the_last_that_is_asked() -> None:
    nodes = Nodes(lambda _, command: done(1 if command.arguments[0] == "second" else 0))
    gates = [CommandGate(command=(name,), on="node") for name in ("first", "second", "third")]
    with context(nodes) as around:
        results = check_gates(gates, around)
    assert [(each.kind, each.passed) for each in results] == [("command", True), ("command", False)]
    assert {command.arguments[0] for _, command in nodes.commands} == {"first", "second"}


def test_no_gate_is_asked_once_the_operator_wants_no_more() -> None:
    nodes = Nodes(ok)
    with context(nodes) as around:
        around.stop.set()
        [result] = check_gates([NODE, NODE], around)
    assert result == GateResult(kind="command", passed=False, detail="interrupted before it was decided")
    assert nodes.commands == []


@pytest.mark.parametrize(
    "gate",
    [
        CommandGate(command=("sleep", "600"), timeout=600),
        RatesGate(window=600),
    ],
)
def test_gate_that_waits_ends_when_the_operator_wants_no_more(gate: CommandGate | RatesGate) -> None:
    started = time.monotonic()
    with context(Nodes(counting())) as around:
        timer = Timer(0.3, around.stop.set)
        timer.start()
        [result] = check_gates([gate], around)
        timer.join()
    assert result.detail == "interrupted before it was decided"
    assert time.monotonic() - started < 60


def test_command_on_the_node_runs_as_root_with_the_host_in_its_place() -> None:
    nodes = Nodes(ok)
    with context(nodes) as around:
        [result] = check_gates([NODE], around)
    assert result == GateResult(kind="command", passed=True, detail="check on the node ended with status 0 for 2 hosts")
    assert {(name, command.arguments, command.become) for name, command in nodes.commands} == {
        ("web-1", ("check", "web-1"), True),
        ("web-2", ("check", "web-2"), True),
    }


def test_failing_command_on_the_node_says_where_and_what_was_printed_last() -> None:
    def answer_(name: str, _: Command) -> Completed:
        return done(3, b"stdout\n", b"one\nno \x1b[31mroute\n") if name == "web-2" else done()

    with context(Nodes(answer_)) as around:
        [result] = check_gates([NODE], around)
    assert result.detail == (
        "check on the node fails for 1 of 2 hosts: web-2: ended with status 3: 'no \\x1b[31mroute'"
    )


def test_host_that_cannot_be_asked_fails_the_gate() -> None:
    def answer_(name: str, _: Command) -> Completed:
        raise UnreachableError(name, "the connection was lost", advice="look at it")

    for gate in (NODE, RatesGate(window=0.01)):
        with context(Nodes(answer_)) as around:
            [result] = check_gates([gate], around)
        assert not result.passed
        assert "unreachable: the connection was lost: look at it" in result.detail


def test_bug_in_reading_is_no_pass() -> None:
    def answer_(_: str, __: Command) -> Completed:
        raise RuntimeError("secret of ours")

    with context(Nodes(answer_)) as around:
        [result] = check_gates([NODE], around)
    assert not result.passed
    assert "this is a bug in fleet" in result.detail


def test_inventory_that_does_not_serve_any_more_fails_the_gate() -> None:
    def answer_(_: str, __: Command) -> Completed:
        raise UsageError("~/.ssh/config:3: no such option")

    with context(Nodes(answer_)) as around:
        assert check_gates([NODE], around) == (
            GateResult(kind="command", passed=False, detail="~/.ssh/config:3: no such option"),
        )


def test_verify_without_the_playbook_fails() -> None:
    with context(Nodes(ok)) as around:
        [result] = check_gates([VerifyGate()], around)
    assert not result.passed
    assert "the playbook is not at hand" in result.detail


def test_command_on_the_controller_knows_its_occasion(tmp_path: Path) -> None:
    script = f'printf "%s|" "$@" "$FLEET_HOST" "$FLEET_RUN" "$FLEET_BATCH" >{tmp_path}/{{host}}'
    gate = CommandGate(command=("sh", "-c", script, "sh", "{run}/{batch}", "{other}", "{}", "a b"))
    with context(Nodes(ok)) as around:
        [result] = check_gates([gate], around)
    assert result.passed
    run = "20261120T120000Z-5f2a01"
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        name: f"{run}/2|{{other}}|{{}}|a b|{name}|{run}|2|" for name in ("web-1", "web-2")
    }


def test_what_is_put_in_is_not_read_again() -> None:
    occasion = Occasion(host="{run}", run_id="{batch}", batch=1)
    assert occasion.arguments(("{host}{run}{batch}", "{hostname}")) == ("{run}{batch}1", "{hostname}")


def test_one_limit_holds_for_all_hosts_of_a_command(tmp_path: Path) -> None:
    hosts = tuple(f"web-{number}" for number in range(60))  # more than run at once
    gate = CommandGate(command=("sh", "-c", f": >{tmp_path}/{{host}}; exec sleep 600"), timeout=3.0)
    started = time.monotonic()
    with context(Nodes(ok), changed=hosts) as around:
        [result] = check_gates([gate], around)
    assert time.monotonic() - started < 60
    assert (
        "sh on the controller fails for 60 of 60 hosts: web-0: did not end within 3 s and was killed" in result.detail
    )
    assert 0 < len(list(tmp_path.iterdir())) <= 50


def counting(resets: dict[str, int] | None = None) -> Answer:
    """Nodes on whose clock a second passes from one reading to the next, with so many resets in it."""
    readings: dict[str, int] = {}

    def answer_(name: str, command: Command) -> Completed:
        number = readings[name] = readings.get(name, 0) + 1
        sent = 13 + (resets or {}).get(name, 0) * (number - 1)
        files = {
            **PROC,
            "/proc/uptime": b"%d.00 1.00\n" % (1000 + number),
            "/proc/net/snmp": b"Tcp: RetransSegs OutRsts\nTcp: 5 %d\n" % sent,
        }
        return done(stdout=answer(files).replace(NONCE.encode(), command.arguments[3].encode()))

    return answer_


def test_rates_of_changed_hosts_are_compared_with_a_sample_of_untouched_ones() -> None:
    untouched = tuple(f"db-{number}" for number in range(20))
    nodes = Nodes(counting({"web-2": 40, **dict.fromkeys(untouched, 10)}))
    with context(nodes, untouched=untouched) as around:
        [result] = check_gates([RatesGate(window=0.01, sample=4)], around)
    assert result.detail == ("web-2 has 40 resets sent a second, allowed are 30; compared with 4 untouched hosts")
    asked = [name for name, _ in nodes.commands]
    assert sorted(set(asked)) == ["db-0", "db-10", "db-15", "db-5", "web-1", "web-2"]
    assert len(asked) == 12
    assert not any(command.become for _, command in nodes.commands)


def test_untouched_host_that_is_lost_is_left_out_and_said() -> None:
    counts = counting({"web-1": 9})
    lost: list[str] = []

    def answer_(name: str, command: Command) -> Completed:
        if name.startswith("db"):
            lost.append(name)
            raise UnreachableError(name, "gone")
        return counts(name, command)

    with context(Nodes(answer_), untouched=("db-1", "db-2")) as around:
        [result] = check_gates([RatesGate(window=0.01)], around)
    assert result.detail == (
        "web-1 has 9 resets sent a second, allowed are 5; no untouched host to compare with,"
        " so only more than 5 a second would count; 2 untouched hosts gave no rates"
    )
    assert sorted(lost) == ["db-1", "db-2"]


def test_answer_of_a_server_that_is_not_there_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_PROMETHEUS_TOKEN", "abc")
    gate = PrometheusGate(url="http://prometheus.example.com", query="up", expect="> 0")
    with context(Nodes(ok)) as around:
        [result] = check_gates([gate], around)
    assert result.detail == (
        "http://prometheus.example.com: the credentials would go over the network in the clear: use https"
    )
