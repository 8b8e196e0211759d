"""The connection reset, reproduced in throw-away namespaces: on this machine's kernel, or on a node's."""

from fleet.prove.answer import Answer
from fleet.prove.bench import prepare, this_machine
from fleet.prove.catalogue import SCENARIOS
from fleet.prove.kubernetes import IMAGE, manifests
from fleet.prove.node import on_node
from fleet.prove.place import Place
from fleet.prove.prove import Subject, prove
from fleet.prove.scenario import Node, Scenario, cell_request
from fleet.prove.values import harden, node_like

__all__ = [
    "IMAGE",
    "SCENARIOS",
    "Answer",
    "Node",
    "Place",
    "Scenario",
    "Subject",
    "cell_request",
    "harden",
    "manifests",
    "node_like",
    "on_node",
    "prepare",
    "prove",
    "this_machine",
]
