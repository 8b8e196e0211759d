"""What the answer of a node's program comes to."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from secrets import token_hex

from fleet.model.errors import HostError
from fleet.model.rollout import HostRun, RunError
from fleet.rollout.node import NodeAnswer, parse_node_answer
from fleet.rollout.state import LOST
from fleet.runner.audit import failure
from fleet.transport import Command, Connection

NOT_UNDONE = "it could not be undone: "
"""How the note on a failed attempt to take a host back begins; it goes away where a later one does it."""
EXPIRED = "the node was not confirmed in time, or was restarted, and has undone itself"


def ask(host: str, connection: Connection, program: Callable[[str], bytes]) -> NodeAnswer:
    """Run a program on a node in one exec.

    Args:
        program: makes the program for a nonce.

    Raises:
        HostError: the node did not answer, or not with an answer of the program.
    """
    nonce = token_hex(16)
    completed = connection.run(Command(arguments=("sh", "-s", "--", nonce), stdin=program(nonce), become=True))
    return parse_node_answer(completed.stdout, nonce=nonce, host=host)


def after_apply(host: HostRun, answer: NodeAnswer) -> HostRun:
    """A host after its changes were made, or not."""
    told = replace(host, changes=answer.changes, notes=tuple(dict.fromkeys((*host.notes, *answer.notes))))
    match answer.outcome:
        case "applied":
            return _pending(told, answer)
        case "noop":
            return replace(told, status="noop", node="before", error=None)
        case "undone":
            return replace(told, status="undone", node="before", error=answer.error or _unexpected(answer))
        case "refused":
            return replace(told, status="failed", node="before", error=_refusal(answer))
        case _:
            return replace(told, status="failed", node="unknown", error=_unexpected(answer))


def after_status(host: HostRun, answer: NodeAnswer) -> HostRun:
    """A host of which it was not known what became of it, once it was asked."""
    told = replace(
        host,
        changes=host.changes or answer.changes,
        notes=tuple(dict.fromkeys((*host.notes, *answer.notes))),
        error=None if host.error == LOST else host.error,
    )
    match answer.outcome:
        case "pending" | "applied":
            pending = _pending(told, answer)
            return pending if answer.error is None else replace(pending, status="failed", error=answer.error)
        case "confirmed":
            return replace(told, status="changed", node="after", undo_at=None, error=None)
        case "undone" | "expired":
            error = told.error or RunError(kind="expired", message=EXPIRED)
            return _restored(replace(told, status="undone", error=error))
        case "not-found" | "noop":
            status = "not-reached" if told.error is None else told.status
            return replace(told, status=status, node="before", undo_at=None, changes=())
        case "refused":
            return replace(told, status="failed", node="unknown", error=_refusal(answer))


def after_confirm(host: HostRun, answer: NodeAnswer) -> HostRun:
    """A host that was to be confirmed."""
    match answer.outcome:
        case "confirmed":
            return replace(host, status="changed", node="after", undo_at=None, error=None)
        case "expired" | "undone":
            return _restored(replace(host, status="undone", error=RunError(kind="expired", message=EXPIRED)))
        case "not-found":
            message = "the node knows nothing of this run any more, so it was not confirmed"
            return replace(host, status="failed", node="unknown", error=RunError(kind="expired", message=message))
        case _:
            return replace(host, status="failed", node="pending", error=_refusal(answer))


def after_undo(host: HostRun, answer: NodeAnswer) -> HostRun:
    """A host that was to be taken back; why stands in its error or its notes already."""
    notes = (*(note for note in host.notes if not note.startswith(NOT_UNDONE)), *answer.notes)
    told = replace(host, notes=tuple(dict.fromkeys(notes)))
    match answer.outcome:
        case "undone" | "expired":
            return _restored(replace(told, status="undone"))
        case "not-found" | "noop":
            status = "not-reached" if told.error is None else told.status
            return replace(told, status=status, node="before", undo_at=None, changes=())
        case _:
            return replace(told, status="failed", error=_refusal(answer))


def run_error(error: Exception) -> RunError:
    """An error that ended a visit, as results have it."""
    told = failure(error)
    return RunError(kind=told.kind, message=told.message)


def unvisited(host: HostRun, error: Exception) -> HostRun:
    """A host that a visit could not finish at; what its node is like is for the caller to say."""
    unreachable = isinstance(error, HostError) and error.kind == "unreachable"
    return replace(host, status="unreachable" if unreachable else "failed", error=host.error or run_error(error))


def _pending(host: HostRun, answer: NodeAnswer) -> HostRun:
    left = timedelta(seconds=answer.undo_in or 0.0)
    undo_at = (datetime.now(UTC) + left).isoformat(timespec="seconds").replace("+00:00", "Z")
    return replace(host, status="changed", node="pending", undo_at=undo_at, error=None)


def _restored(host: HostRun) -> HostRun:
    changes = tuple(replace(each, status="undone") if each.status == "changed" else each for each in host.changes)
    return replace(host, node="before", undo_at=None, changes=changes)


def _refusal(answer: NodeAnswer) -> RunError:
    error = answer.error or _unexpected(answer)
    more = "; ".join(answer.moved)
    return replace(error, message=f"{error.message}: {more}") if more else error


def _unexpected(answer: NodeAnswer) -> RunError:
    return RunError(kind="protocol", message=f"the node answered '{answer.outcome}', which does not fit what was asked")
