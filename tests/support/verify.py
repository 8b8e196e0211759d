"""Hosts of testinfra, and nodes held against playbooks, made from facts."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from support.facts import node_facts
from testinfra.host import Host

from fleet.facts import ProbeRequest
from fleet.model.facts import NodeFacts
from fleet.policy import HostView, Policy, load_playbook
from fleet.verify.backend import FactsBackend
from fleet.verify.independent import Reading
from fleet.verify.suite import Held, Node

TODAY = date(2026, 11, 20)
WEB = HostView(name="web-1", groups=("web",), data={}, address="192.0.2.1")


def host_of_facts(facts: NodeFacts, *, files: Sequence[str] = ()) -> Host:
    """A host of testinfra that answers from facts, which were read with these files asked for."""
    backend = FactsBackend(WEB.name, facts, ProbeRequest(keys=tuple(facts.sysctls), files=tuple(files)))
    host = Host(backend)
    backend.set_host(host)
    return host


def playbook(folder: Path, *controls: str) -> Policy:
    """A playbook of controls of its own, each given by its ``setting`` and ``expect`` as YAML."""
    lines = ["name: Test", "controls:"]
    for number, control in enumerate(controls, start=1):
        lines += [
            f"  - id: c{number}",
            "    title: It holds",
            "    impact: high",
            "    why: It matters.",
            *(f"    {line}" for line in control.splitlines()),
        ]
    path = folder / "play.yaml"
    path.write_text("\n".join(lines) + "\n")
    return load_playbook(path)


def held(policy: Policy, *, probed: NodeFacts, now: NodeFacts, files: Sequence[str] = ()) -> list[Held]:
    """What comes of each control where the probe saw one thing, and testinfra sees another."""
    node = Node(policy, WEB, Reading(facts=probed), host_of_facts(now, files=files), TODAY)
    return [node.hold(control) for control in policy.controls]


__all__ = ["TODAY", "WEB", "held", "host_of_facts", "node_facts", "playbook"]
