"""The ``on_node`` section of a playbook: the node checks itself, where no controller should poll it."""

import re
from dataclasses import dataclass
from typing import Annotated

import pydantic

from fleet.document import StrictModel
from fleet.policy.duration import Duration

SCRIPT = "/etc/fleet/check.sh"
DATA = "/etc/fleet/check.data"
TIMER = "fleet-check.timer"
SERVICE_FILE = "/etc/systemd/system/fleet-check.service"
TIMER_FILE = f"/etc/systemd/system/{TIMER}"
CHECKER_FILES = (SCRIPT, DATA, SERVICE_FILE, TIMER_FILE, f"/etc/systemd/system/timers.target.wants/{TIMER}")
"""What makes a node check itself; the last one is the link by which systemd starts the timer."""

_PATH = re.compile(r"(?:/(?!\.\.?(?:/|\Z))[A-Za-z0-9._@~:+-]+)+")
_LEAST = 60.0


def _seldom(value: float) -> float:
    if value < _LEAST or value != int(value):
        raise ValueError("must be whole seconds, at least 1m")
    return value


def _directory(value: str) -> str:
    if not _PATH.fullmatch(value):
        raise ValueError("must be an absolute path of plain characters, without .. and blanks")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class OnNode:
    """How a node checks itself.

    Attributes:
        every: seconds between two checks.
        textfile_dir: the directory of node_exporter's textfile collector on the nodes; None writes no metrics.
    """

    every: int
    textfile_dir: str | None


class OnNodeDocument(StrictModel):
    """Install a checker on the nodes, with a timer of its own.

    Attributes:
        every: time between two checks.
        textfile_dir: the directory of node_exporter's textfile collector on the nodes; no metrics if left out.
    """

    every: Annotated[Duration, pydantic.AfterValidator(_seldom)]
    textfile_dir: Annotated[str, pydantic.AfterValidator(_directory)] | None = None

    def load(self) -> OnNode:
        """The section as the engine uses it."""
        return OnNode(every=int(self.every), textfile_dir=self.textfile_dir)
