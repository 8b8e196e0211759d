"""On-node mode: a playbook as a node can check it by itself, without a network and without Python.

What the controller has to work out is worked out here, once, and written down with everything that it rests on; the
node compares. Where something that a verdict rests on has changed, the node says so instead of judging.
"""

from fleet.plan.checker.checks import Check, Checks, Unjudged
from fleet.plan.checker.compiling import compile_checks
from fleet.plan.checker.files import Checker, Checking, add_checker, checker_script

__all__ = [
    "Check",
    "Checker",
    "Checking",
    "Checks",
    "Unjudged",
    "add_checker",
    "checker_script",
    "compile_checks",
]
