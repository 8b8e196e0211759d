"""What is asked of a rollout, and who is told how far it is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from fleet.model.rollout import Phase
from fleet.model.run_id import new_run_id
from fleet.plan import Plan
from fleet.policy import Policy


class Observer(Protocol):
    """Told from any thread as a run goes on."""

    def batch(self, number: int, total: int, hosts: Sequence[str]) -> None:
        """A batch is begun, or begun again."""
        ...

    def phase(self, host: str, phase: Phase) -> None:
        """What is done to a host from here on."""
        ...

    def note(self, text: str) -> None:
        """Something that the operator should know, in one sentence."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyRequest:
    """A plan to carry out.

    Attributes:
        hosts: names of the plan's hosts that it is carried out on.
        state_dir: where the runs are kept.
        who: user and machine of the controller, which a node tells a second controller.
        policy: the playbook, for the gate ``verify``; None where it is not at hand.
        own_run_id: names the run.
    """

    plan: Plan
    hosts: Sequence[str]
    state_dir: Path
    who: str
    policy: Policy | None = None
    own_run_id: str = field(default_factory=new_run_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeRequest:
    """A run to go on with.

    Attributes:
        who: as for an `ApplyRequest`.
        policy: likewise.
    """

    run_id: str
    state_dir: Path
    who: str
    policy: Policy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackRequest:
    """A run to take back.

    Attributes:
        hosts: which of its hosts; None takes back all.
        force: also where a node has moved since, and where it would be left without protection.
        own_run_id: names the run that takes back.
    """

    run_id: str
    hosts: Sequence[str] | None
    state_dir: Path
    who: str
    force: bool = False
    own_run_id: str = field(default_factory=new_run_id)
