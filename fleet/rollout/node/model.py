"""What a node is asked to do, and what it says about it."""

from dataclasses import dataclass
from typing import Literal

from fleet.model.rollout import ChangeResult, RunError

NodeOutcome = Literal["applied", "noop", "refused", "undone", "confirmed", "expired", "not-found", "pending"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeJob:
    """How a plan is applied to a node.

    Attributes:
        run_id: names the run on the node.
        who: user and controller, for whoever finds the run pending.
        confirm_within: seconds from the arming of the undo.
        restart: services that may be restarted, with or without ``.service``.
    """

    run_id: str
    who: str
    confirm_within: float
    restart: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAnswer:
    """What a node said. All text is safe to print.

    Attributes:
        outcome: ``applied``: changed, and not confirmed yet. ``noop``: it was all so already. ``refused``: nothing was
            changed by this call. ``undone``: everything is as before the run. ``confirmed``: the changes stay.
            ``expired``: as undone, by the timer or after a reboot. ``pending``: the run is not confirmed, or its undo
            is not finished (then there is an error). ``not-found``: the node does not know the run.
        error: why it was refused or undone.
        moved: what is no longer as it was, one sentence each.
        undo_in: seconds until the node undoes a pending run.
        run: the run that the answer is about; where the node is locked, that of the holder.
        who: who started that run.
        since: when, ISO 8601 in UTC, by the node's own clock.
        notes: what else the operator should know, one sentence each.
    """

    outcome: NodeOutcome
    changes: tuple[ChangeResult, ...] = ()
    error: RunError | None = None
    moved: tuple[str, ...] = ()
    undo_in: float | None = None
    run: str | None = None
    who: str | None = None
    since: str | None = None
    notes: tuple[str, ...] = ()
