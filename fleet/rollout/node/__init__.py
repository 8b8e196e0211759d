"""The program that runs on a node: applies, confirms, undoes and tells. Here it is built, and its answer read."""

from fleet.rollout.node.answer import parse_node_answer
from fleet.rollout.node.model import NodeAnswer, NodeJob, NodeOutcome
from fleet.rollout.node.program import apply_program, confirm_program, status_program, undo_program

__all__ = [
    "NodeAnswer",
    "NodeJob",
    "NodeOutcome",
    "apply_program",
    "confirm_program",
    "parse_node_answer",
    "status_program",
    "undo_program",
]
