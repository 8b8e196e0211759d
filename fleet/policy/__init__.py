"""Playbooks, profiles and controls: load strictly, evaluate to findings."""

from fleet.policy.control import Policy
from fleet.policy.evaluate import evaluate, needed_files, needed_keys
from fleet.policy.host import HostView
from fleet.policy.playbook import check_hosts, load_playbook
from fleet.policy.selection import Selected, Selection, check_atoms, parse_selection, select

__all__ = [
    "HostView",
    "Policy",
    "Selected",
    "Selection",
    "check_atoms",
    "check_hosts",
    "evaluate",
    "load_playbook",
    "needed_files",
    "needed_keys",
    "parse_selection",
    "select",
]
