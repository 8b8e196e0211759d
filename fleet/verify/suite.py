"""A playbook as tests: each control is asserted on what testinfra says about the node."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import cast

from testinfra.host import Host

from fleet.facts import ProbeRequest
from fleet.model.facts import NodeFacts
from fleet.model.finding import Finding, SettingState
from fleet.policy import HostView, Policy, evaluate, needed_files, needed_keys
from fleet.policy.control import Control
from fleet.policy.evaluate import Evaluation
from fleet.runner.audit import read_facts
from fleet.transport import Connection
from fleet.verify.backend import FactsBackend, FleetBackend
from fleet.verify.nodes import Nodes
from fleet.verify.reading import Asked, read_again


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A control held against a node; ``state`` is that of its key, None for settings that are none."""

    finding: Finding
    state: SettingState | None


class Node:
    """One node whose facts were read.

    Args:
        policy: a playbook.
        view: the node in the inventory.
        facts: what the probe read.
        host: who is asked once more: testinfra on these facts, or on the node.
        today: the day that exceptions are held against.
    """

    def __init__(self, policy: Policy, view: HostView, facts: NodeFacts, host: Asked, today: date) -> None:
        self._policy = policy
        self._view = view
        self._facts = facts
        self._host = host
        self._today = today

    @cached_property
    def _probed(self) -> Evaluation:
        return self._evaluate(self._facts)

    def hold(self, control: Control) -> Held:
        """Judge one control by what testinfra says.

        Raises:
            ReadingError: testinfra cannot tell.
            HostError: the node did not answer.
        """
        held = _held(control, self._probed)
        if held.finding.status == "skip":
            return held
        seen = read_again(control, self._host, self._facts, held.state)
        return held if seen is self._facts else _held(control, self._evaluate(seen))

    def _evaluate(self, facts: NodeFacts) -> Evaluation:
        return evaluate(self._policy, facts, host=self._view, today=self._today)


def read_node(
    policy: Policy, view: HostView, connection: Connection, *, today: date, independent: bool = False
) -> Node:
    """Read one node in one command, for the controls of a playbook.

    Args:
        independent: as of a `Suite`.

    Raises:
        HostError: it could not be read.
    """
    request = ProbeRequest(keys=needed_keys(policy), files=needed_files(policy))
    facts = read_facts(view, connection, request)
    backend = FleetBackend(view.name) if independent else FactsBackend(view.name, facts, request)
    host = Host(backend)
    backend.set_host(host)
    return Node(policy, view, facts, cast("Asked", host), today)


class Suite:
    """The controls of a playbook on those of the nodes that it is for.

    Args:
        policy: a loaded playbook, checked against the inventory.
        nodes: the hosts of the session.
        independent: testinfra reads for itself, over the connection, what the probe has read.
        today: the day that exceptions are held against.
    """

    def __init__(self, policy: Policy, nodes: Nodes, *, independent: bool, today: date) -> None:
        self.policy = policy
        self.names = tuple(name for name, view in nodes.hosts.items() if policy.hosts.matches(view))
        self._nodes = nodes
        self.independent = independent
        self._today = today
        self._read: dict[str, Node | Exception] = {}

    def read(self, names: Iterable[str]) -> None:
        """Read the facts of those hosts that were not read yet, side by side.

        Raises:
            UsageError: a host cannot be reached as asked.
        """
        self._read |= self._nodes.on_all((name for name in names if name not in self._read), self._probe)

    def node(self, name: str) -> Node:
        """Give a node, read now if it was not yet.

        Raises:
            HostError: it could not be read.
        """
        self.read([name])
        node = self._read[name]
        if isinstance(node, Exception):
            raise node.with_traceback(None)
        return node

    def _probe(self, view: HostView, connection: Connection) -> Node:
        return read_node(self.policy, view, connection, today=self._today, independent=self.independent)


def _held(control: Control, seen: Evaluation) -> Held:
    finding = next(finding for finding in seen.findings if finding.control == control.id)
    keys = {state.key: state for state in seen.settings}
    key = control.setting.key
    return Held(finding=finding, state=keys.get(key) if key is not None else None)
