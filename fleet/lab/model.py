"""What is asked of a lab, and what it is, as frozen data."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

MOST_NODES = 1000
"""A Linux bridge has room for 1,023 ports; one of them is the uplink."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabRequest:
    """A lab to build.

    Attributes:
        nodes: how many, from 1 to MOST_NODES.
        name: tells labs under one state directory apart; lower-case letters, digits and hyphens.
        seed: nodes of the same number and seed differ from each other in the same way.
        state_dir: the lab lives in ``lab/NAME`` below it.
        ready_within: seconds until the last node must answer.
    """

    nodes: int
    state_dir: Path
    name: str = "default"
    seed: int = 1
    ready_within: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LabNode:
    """One node of a lab; ``planted`` holds the words of ``fleet.lab.planted.Planted``."""

    name: str
    address: IPv4Address
    groups: tuple[str, ...]
    planted: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """A lab that was built.

    Attributes:
        directory: everything the lab keeps; removed by ``down``.
        subnet: its first address is this machine's own end.
        inventory: a folder with hosts.yaml, groups.yaml and defaults.yaml for nornir's SimpleInventory.
        known_hosts: the nodes' host keys by address.
        identity_file: the private key that root and ``ops`` of every node accept.
    """

    name: str
    directory: Path
    subnet: IPv4Network
    nodes: tuple[LabNode, ...]
    inventory: Path
    known_hosts: Path
    identity_file: Path

    def node(self, name: str) -> LabNode:
        """The node of that name.

        Raises:
            KeyError: the lab has no such node.
        """
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """One node as it is now.

    Attributes:
        pid: of the node's process 1, as this machine numbers it; None when the node is down.
        listening: whether something accepts connections on the node's port 22.
        memory_bytes: proportional share (PSS) of all processes of the node.
    """

    node: LabNode
    pid: int | None
    listening: bool
    memory_bytes: int

    @property
    def is_up(self) -> bool:
        return self.pid is not None and self.listening


@dataclass(frozen=True, slots=True, kw_only=True)
class LabStatus:
    """A lab as it is now; without nodes when ``up`` was cut off before it had made them."""

    lab: Lab
    nodes: tuple[NodeStatus, ...]
