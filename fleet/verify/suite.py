"""A playbook as tests: each control is asserted on what testinfra says about the node."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import cast

from testinfra.backend.base import BaseBackend
from testinfra.host import Host

from fleet.facts import ProbeRequest
from fleet.model.facts import NodeFacts, Reason, Unavailable
from fleet.model.finding import Finding, SettingState
from fleet.policy import HostView, Policy, evaluate, needed_files, needed_keys
from fleet.policy.control import Control
from fleet.policy.evaluate import Evaluation
from fleet.runner.audit import read_facts
from fleet.transport import Connection
from fleet.verify.asked import Asked
from fleet.verify.backend import ConnectionBackend, FactsBackend, FleetBackend
from fleet.verify.independent import Reading, read_independently
from fleet.verify.nodes import Nodes
from fleet.verify.reading import read_again
from fleet.verify.rests import WORDS, rests_on

_NOT_CONFIRMED = "not verified independently"


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
        reading: what is known of it.
        host: who is asked once more: testinfra on the facts of the probe, or on the node.
        today: the day that exceptions are held against.
    """

    def __init__(self, policy: Policy, view: HostView, reading: Reading, host: Asked, today: date) -> None:
        self._policy = policy
        self._view = view
        self._reading = reading
        self._host = host
        self._today = today

    @cached_property
    def _probed(self) -> Evaluation:
        return self._evaluate(self._reading.facts)

    def hold(self, control: Control) -> Held:
        """Judge one control by what testinfra says.

        Raises:
            ReadingError: testinfra cannot tell.
            HostError: the node did not answer.
        """
        held = _held(control, self._probed)
        if held.finding.status == "skip":
            return held
        facts = self._reading.facts
        seen = read_again(control, self._host, facts, held.state)
        held = held if seen is facts else _held(control, self._evaluate(seen))
        if held.finding.status not in {"pass", "warn"} or not (refusal := self._refusal(control, held)):
            return held
        return replace(held, finding=replace(held.finding, status="skip", reason=f"{_NOT_CONFIRMED}: {refusal}"))

    def _refusal(self, control: Control, held: Held) -> str:
        """Why a good verdict rests on what testinfra has not read; empty where it does not."""
        missing = rests_on(control) & self._reading.unread.keys()
        # With be_liberal on, no rule of the firewall matters.
        if "firewall" in missing and _held(control, self._without_rules).finding.status == held.finding.status:
            missing -= {"firewall"}
        return "; ".join(
            f"testinfra cannot read {WORDS[part]}: {self._reading.unread[part]}" for part in sorted(missing)
        )

    @cached_property
    def _without_rules(self) -> Evaluation:
        return self._evaluate(replace(self._reading.facts, invalid_rules=Unavailable(Reason.IMPOSSIBLE)))

    def _evaluate(self, facts: NodeFacts) -> Evaluation:
        return evaluate(self._policy, facts, host=self._view, today=self._today)


def read_node(
    policy: Policy, view: HostView, connection: Connection, *, today: date, independent: bool = False
) -> Node:
    """Read one node for the controls of a playbook, in one command where it is not read independently.

    Args:
        independent: as of a `Suite`.

    Raises:
        HostError: it could not be read.
    """
    request = ProbeRequest(keys=needed_keys(policy), files=needed_files(policy))
    facts = read_facts(view, connection, request)
    if not independent:
        return Node(policy, view, Reading(facts=facts), _asked(FactsBackend(view.name, facts, request)), today)
    reading = read_independently(_asked(ConnectionBackend(view.name, connection)), facts, policy.controls)
    return Node(policy, view, reading, _asked(FleetBackend(view.name)), today)


def _asked(backend: BaseBackend) -> Asked:
    host = Host(backend)
    backend.set_host(host)
    return cast("Asked", host)


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
