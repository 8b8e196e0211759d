"""What a gate may look at."""

from dataclasses import dataclass
from threading import Event

from fleet.plan import Plan
from fleet.policy import Policy
from fleet.runner.fleet import Fleet


@dataclass(frozen=True, slots=True, kw_only=True)
class GateContext:
    """One batch between its changes and its confirmation.

    Attributes:
        fleet: for connections to the hosts of the batch and to others.
        batch: its number, from 1.
        changed: hosts of the batch that were changed, in the inventory's order.
        untouched: hosts that this run has not changed, likewise.
        plan: what was applied.
        policy: the playbook; None where it is not at hand, as for a saved plan that came alone.
        stop: set once the operator wants no more; a gate that waits ends then, and does not pass.
    """

    fleet: Fleet
    run_id: str
    batch: int
    changed: tuple[str, ...]
    untouched: tuple[str, ...]
    plan: Plan
    policy: Policy | None
    stop: Event
