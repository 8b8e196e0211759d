"""Nodes in memory that answer as the program of `fleet.rollout.node` does, behind a transport without a network.

A node's facts are `support.facts`, and the changes of its plan are made to them. Faults are put at a step of a host.
"""

import shlex
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from threading import Event, Lock
from typing import Literal

import pytest
from nornir.core.inventory import Host, Hosts, Inventory
from support.facts import node_facts
from support.plans import FIN, applied, plan_of

from fleet.facts import ProbeRequest
from fleet.model.connection import Completed, Endpoint
from fleet.model.errors import ProtocolError, UnreachableError
from fleet.model.facts import NodeFacts, Sysctl
from fleet.model.rollout import Phase, Rollout
from fleet.plan import Change, NodePlan, Plan, Preconditions
from fleet.policy import HostView
from fleet.runner.fleet import Fleet
from fleet.transport import Command, Connection

Step = Literal["open", "read", "apply", "confirm", "undo", "status"]
Fault = Literal["unreachable", "lost-before", "lost-after", "refuses", "undoes", "spoils", "hangs-on", "moved"]
WAS, WANTED = "60", "30"

CHANGE = Change(kind="sysctl", target=FIN, before=WAS, after=WANTED, diff="60 -> 30", reason="r", controls=("c",))
PLAN = NodePlan(
    changes=(CHANGE,),
    kept=(),
    refused=(),
    remedies=(),
    risks=(),
    preconditions=Preconditions(boot_id=None, files={}, live={FIN: WAS}, writers=(), protected=()),
)
NOTHING = NodePlan(changes=(), kept=(), refused=(), remedies=(), risks=(), preconditions=None)


def names(count: int) -> tuple[str, ...]:
    return tuple(f"n{number:03}" for number in range(1, count + 1))


def plan(hosts: Iterable[str], rollout: Rollout | None = None, **others: NodePlan) -> Plan:
    made = plan_of({**dict.fromkeys(hosts, PLAN), **others})
    return made if rollout is None else _with(made, rollout)


def _with(made: Plan, rollout: Rollout) -> Plan:
    return Plan(
        run_id=made.run_id,
        created=made.created,
        playbook=made.playbook,
        playbook_digest=made.playbook_digest,
        version=made.version,
        rollout=rollout,
        hosts=made.hosts,
    )


@dataclass(slots=True)
class FakeNode:
    """One node: what is live, and what it knows of runs."""

    facts: NodeFacts
    before: NodeFacts
    runs: dict[str, str] = field(default_factory=dict)
    pending: str = ""
    deadline: float = 0.0
    asked: list[str] = field(default_factory=list)

    @property
    def value(self) -> object:
        return self.facts.sysctls[FIN].value


class FakeNodes:
    """Implements `fleet.transport.Transport`.

    Attributes:
        faults: by host and step; one that was met is taken away, unless it is in ``lasting``.
        at: called before each step that reaches a node.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        facts = node_facts(sysctls={FIN: WAS})
        self.nodes = {name: FakeNode(facts=facts, before=facts) for name in hosts}
        self.faults: dict[tuple[str, Step], Fault] = {}
        self.lasting: set[tuple[str, Step]] = set()
        self.at: Callable[[str, str], None] = lambda _host, _step: None
        self.lock = Lock()
        self.order: list[tuple[str, str]] = []

    def fleet(self, workers: int = 8) -> Fleet:
        inventory = Inventory(hosts=Hosts({name: Host(name, hostname=name) for name in self.nodes}))
        return Fleet(inventory, self, workers=workers)

    def open(self, endpoint: Endpoint) -> Connection:
        name = endpoint.name
        if self._meets(name, "open") or name not in self.nodes:
            raise UnreachableError(name, "no route to host")
        self._expire(name)
        return FakeNodeConnection(self, name)

    def close(self) -> None:
        """Nothing stays open."""

    def read(self, view: HostView, connection: Connection, _request: ProbeRequest) -> NodeFacts:
        """What stands in for `fleet.runner.audit.read_facts`."""
        assert isinstance(connection, FakeNodeConnection)
        name = view.name
        self.met(name, "read")
        match self._meets(name, "read"):
            case "lost-before" | "unreachable":
                raise UnreachableError(name, "the connection was lost before the answer began")
            case "spoils":
                facts = self.nodes[name].facts
                wrong = Sysctl(key=FIN, value="99", writable=True)
                object.__setattr__(facts, "sysctls", {**facts.sysctls, FIN: wrong})
                return facts
            case _:
                return self.nodes[name].facts

    def met(self, name: str, step: str) -> None:
        with self.lock:
            self.order.append((name, step))
        self.at(name, step)

    def run(self, name: str, command: Command) -> Completed:
        lines = command.stdin.decode().rpartition('{ begin "$@"\n')[2].splitlines()[:-1]
        calls = [shlex.split(line) for line in lines]
        step = calls[-1][0].partition("=")[0]
        run = next(call[1] if call[0] == "job" else call[0].removeprefix("run=") for call in calls)
        self.met(name, step)
        fault = self._meets(name, step)
        if fault == "lost-before":
            raise UnreachableError(name, "the connection was lost before the answer began")
        self._expire(name)
        with self.lock:
            told = self._answer(name, step, run, calls, fault)
        if fault == "lost-after":
            raise ProtocolError(name, "the connection was lost in the middle of the answer, after 40 bytes")
        return Completed(exit_status=0, stdout=_framed(command.arguments[-1], told), stderr=b"")

    def _answer(self, name: str, step: str, run: str, calls: list[list[str]], fault: Fault | None) -> list[str]:
        node = self.nodes[name]
        node.asked.append(f"{step} {run}")
        match step:
            case "apply":
                return self._apply(node, run, float(calls[0][3]), fault)
            case "confirm":
                if node.runs.get(run) == "applied":
                    node.runs[run], node.pending = "confirmed", ""
                return _state(node, run)
            case "undo":
                if fault == "moved":
                    return ["refused", "moved the node has moved since the run was confirmed"]
                if node.runs.get(run) in {"applied", "confirmed"}:
                    self._undo(node, run, "undone")
                return _state(node, run)
            case _:
                return _state(node, run)

    def _apply(self, node: FakeNode, run: str, seconds: float, fault: Fault | None) -> list[str]:
        if fault == "refuses":
            return ["refused", "stale the node is not as it was when the plan was made"]
        if node.pending or run in node.runs:
            return ["refused", f"locked the run {node.pending or run} is there"]
        if node.value == WANTED:
            return ["noop"]
        if fault == "undoes":
            node.runs[run] = "undone"
            return ["undone", "refused the kernel says: Invalid argument"]
        node.before, node.facts = node.facts, applied(node.facts, PLAN)
        node.runs[run], node.pending, node.deadline = "applied", run, time.monotonic() + seconds
        return _state(node, run)

    def _undo(self, node: FakeNode, run: str, state: str) -> None:
        node.facts, node.runs[run] = node.before, state
        node.pending = "" if node.pending == run else node.pending

    def _expire(self, name: str) -> None:
        with self.lock:
            node = self.nodes[name]
            if node.pending and time.monotonic() >= node.deadline:
                self._undo(node, node.pending, "expired")

    def let_time_pass(self) -> None:
        """Every node that waits for its confirmation undoes itself."""
        for name, node in self.nodes.items():
            node.deadline = 0.0
            self._expire(name)

    def _meets(self, name: str, step: str) -> Fault | None:
        with self.lock:
            for at in ((name, "open"), (name, step)):
                if at[1] == step and at in self.faults:
                    return self.faults[at] if at in self.lasting else self.faults.pop(at)
        return None


@dataclass(frozen=True, slots=True)
class FakeNodeConnection:
    """One connection."""

    nodes: FakeNodes
    name: str

    def run(self, command: Command) -> Completed:
        return self.nodes.run(self.name, command)

    def close(self) -> None:
        """Nothing stays open."""


@dataclass(slots=True)
class Watcher:
    """Implements `fleet.rollout.Observer`, and sets a stop where it is told to."""

    stop: Event = field(default_factory=Event)
    stop_at: tuple[str, Phase] | None = None
    batches: list[tuple[int, int, tuple[str, ...]]] = field(default_factory=list)
    phases: list[tuple[str, Phase]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def batch(self, number: int, total: int, hosts: Iterable[str]) -> None:
        self.batches.append((number, total, tuple(hosts)))

    def phase(self, host: str, phase: Phase) -> None:
        self.phases.append((host, phase))
        if self.stop_at == (host, phase):
            self.stop.set()

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def fake_nodes(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeNodes]:
    """Nodes whose facts are read from memory."""

    def make(hosts: Iterable[str]) -> FakeNodes:
        nodes = FakeNodes(hosts)
        for module in ("host", "rollback"):
            # The package has a function of the module's name.
            monkeypatch.setattr(import_module(f"fleet.rollout.{module}"), "read_facts", nodes.read)
        return nodes

    return make


def _state(node: FakeNode, run: str) -> list[str]:
    state = node.runs.get(run)
    if state is None:
        return ["not-found"]
    if state == "applied":
        left = max(int(node.deadline - time.monotonic()), 0)
        return [
            "pending" if len(node.asked) > 1 and not node.asked[-1].startswith("apply") else "applied",
            f"left {left}",
        ]
    return [state]


def _framed(nonce: str, told: list[str]) -> bytes:
    """What the program prints: see fleet/rollout/node/sh/answer.sh."""
    outcome, *more = told
    lines = [f"outcome {outcome}", *(each if each.startswith("left ") else f"error {each}" for each in more)]
    status = {"noop": "noop", "undone": "undone", "expired": "undone", "refused": "failed"}.get(outcome, "changed")
    read = WANTED if status == "changed" else ""
    change = f"{nonce}=sysctl {FIN}\n{status}\n\n={read}\n" if outcome not in {"refused", "not-found"} else ""
    sections = {"outcome": "\n".join(lines) + "\n", "changes": change, "moved": "", "notes": "", "end": ""}
    body = "".join(f"\n{nonce} {name}\n{text}" for name, text in sections.items())
    return f"{nonce} fleet-node 1\n{body}".encode()


def state_dir(tmp_path: Path) -> Path:
    return tmp_path / ".fleet"
