"""The connection reset, reproduced on this machine's kernel in throw-away namespaces."""

from fleet.prove.bench import prepare
from fleet.prove.catalogue import SCENARIOS
from fleet.prove.prove import Subject, prove
from fleet.prove.scenario import Node, Scenario
from fleet.prove.values import harden, node_like

__all__ = ["SCENARIOS", "Node", "Scenario", "Subject", "harden", "node_like", "prepare", "prove"]
