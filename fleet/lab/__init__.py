"""A local fleet of real nodes: namespaces with a real sshd each, for the demo and the tests.

A node guards this machine against accidents, not against an attacker: its root is this machine's root with some
rights less.
"""

from fleet.lab.lifecycle import down, kill, log, restart, status, up
from fleet.lab.model import MOST_NODES, Lab, LabNode, LabRequest, LabStatus, NodeStatus
from fleet.lab.plan import plan_nodes
from fleet.lab.planted import Planted
from fleet.lab.requirements import Requirement, missing_requirements
from fleet.lab.specification import NodeSpec

__all__ = [
    "MOST_NODES",
    "Lab",
    "LabNode",
    "LabRequest",
    "LabStatus",
    "NodeSpec",
    "NodeStatus",
    "Planted",
    "Requirement",
    "down",
    "kill",
    "log",
    "missing_requirements",
    "plan_nodes",
    "restart",
    "status",
    "up",
]
