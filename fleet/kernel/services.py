"""The services of a Kubernetes node, and what their units do before they start."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from fleet.kernel.boot.name import dotted
from fleet.kernel.unitfile import UnitCommand, unit_commands
from fleet.kernel.values import fold
from fleet.model.facts import NodeFacts, NodeFile, NodeProcess

Service = Literal["kubelet", "k3s", "k3s-agent", "rke2-server", "rke2-agent"]
"""Units that a drop-in may prepare the node for."""

SERVICES: tuple[Service, ...] = get_args(Service)

_PREFIXES = "-@:+!|"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartValue:
    """A value that a unit gives to a key before its service starts, and the command that does."""

    value: str
    command: UnitCommand


def service_of(process: NodeProcess) -> Service | None:
    """The unit that a process is the main one of, by the name that its installer gives to it."""
    if process.name == "kubelet":
        return "kubelet"
    name, _, role = process.name.partition("-")
    if name not in {"k3s", "rke2"} or role not in {"", "server", "agent"}:
        return None
    agent = "agent" in (role, *process.arguments[1:2])
    if name == "k3s":
        return "k3s-agent" if agent else "k3s"
    return "rke2-agent" if agent else "rke2-server"


def running(facts: NodeFacts) -> frozenset[Service]:
    """The services that run; none where the processes could not be read."""
    processes = facts.processes if isinstance(facts.processes, tuple) else ()
    return frozenset(service for process in processes if (service := service_of(process)) is not None)


def start_values(files: Mapping[str, NodeFile], service: str) -> Mapping[str, StartValue]:
    """What the ExecStartPre lines of a unit write with sysctl, by key in dots; the last line about a key counts.

    Lines that go through a shell are not taken apart.
    """
    found: dict[str, StartValue] = {}
    for command in unit_commands(files, service, "ExecStartPre"):
        for key, value in _assignments(command.text.lstrip(_PREFIXES)):
            found[key] = StartValue(value=value, command=command)
    return found


def _assignments(text: str) -> list[tuple[str, str]]:
    try:
        words = shlex.split(text)
    except ValueError:
        return []  # systemd refuses a line with an open quote as well
    if not words or words[0].rpartition("/")[2] != "sysctl":
        return []
    pairs = [word.partition("=") for word in words[1:] if not word.startswith("-")]
    return [(dotted(key.strip()), fold(value)) for key, equals, value in pairs if equals]
