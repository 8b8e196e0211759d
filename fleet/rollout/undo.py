"""Taking back what a stop takes back."""

from collections.abc import Sequence
from dataclasses import replace

from fleet.model.rollout import HostRun
from fleet.rollout.events import Decided
from fleet.rollout.host import HostJobs
from fleet.rollout.journal import timestamp
from fleet.rollout.session import Session


def in_doubt(host: HostRun) -> bool:
    """Whether a node may be changed without being confirmed."""
    return host.node in {"pending", "unknown"}


def take_back(session: Session, number: int, reason: str, *, interrupted: bool) -> Decided:
    """Undo a batch, or every batch so far where the rollout says so; an interrupt leaves what is confirmed.

    Args:
        number: the batch in which the rollout stops.
        reason: why it does.
        interrupted: whether the operator asked for the stop.
    """
    names = to_take_back(session, number, interrupted=interrupted)
    decided = Decided(
        at=timestamp(),
        batch=number,
        action="undo",
        status="interrupted" if interrupted else "undone" if names else "stopped",
        text=f"taken back: {reason}" if names else f"stopped: {reason}",
    )
    session.decide(decided)
    finish_undo(session, number, names, reason)
    return decided


def finish_undo(session: Session, number: int, names: tuple[str, ...], reason: str) -> None:
    """Undo hosts, those of the present batch first."""
    present = session.journal.state.begun.batches[number - 1]
    for group in ([name for name in names if name in present], [name for name in names if name not in present]):
        undo_hosts(session, group)
        for name in group:
            host = session.host(name)
            if host.status == "undone" and host.error is None:
                session.journal.tell(replace(host, notes=(*host.notes, f"it was undone because: {reason}")))


def undo_hosts(session: Session, names: Sequence[str]) -> None:
    """Undo hosts, and ask again where the answer was lost."""
    jobs = HostJobs(session)
    session.visit("undo", names, jobs.undo, failed=jobs.not_undone)
    lost = [name for name in names if name in jobs.told_to_undo and session.host(name).node == "unknown"]
    session.visit("undo", lost, jobs.undo, failed=jobs.not_undone)


def to_take_back(session: Session, number: int, *, interrupted: bool) -> tuple[str, ...]:
    """The hosts that a stop takes back, as far as they are not back already."""
    batches = session.journal.state.begun.batches
    everything = session.rollout.undo == "all" and not interrupted
    names = [name for batch in (batches[:number] if everything else batches[number - 1 : number]) for name in batch]
    return tuple(name for name in names if in_doubt(session.host(name)) or session.host(name).node == "after")
