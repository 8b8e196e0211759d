"""What an apply or a rollback came to, in words."""

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from fleet.model.rollout import HostRun, RunResult, RunStatus
from fleet.report.grouping import fold_names, in_order

ENDS: Final[dict[RunStatus, str]] = {
    "running": "is not finished",
    "done": "went through",
    "stopped": "stopped",
    "undone": "stopped",
    "interrupted": "was interrupted",
}
"""What follows ``run ID``."""

_REFUSED: Final = frozenset({"moved", "refused"})
"""Kinds of errors with which a rollback leaves a node alone unless it is forced."""

_TIME = re.compile(r"\d{4}-\d\d-\d\dT(\d\d:\d\d:\d\d)")


def node_words(host: HostRun, result: RunResult) -> str:
    """How a node is now, as the end of a row that begins with its name."""
    if host.status == "noop":
        return "is as planned already" if result.kind == "apply" else "has nothing of the run"
    match host.node:
        case "pending":
            return f"changed, not confirmed: {undoes_itself(host)}"
        case "unknown":
            return "could not be asked how it is now"
        case "after":
            return "changed and confirmed" if result.kind == "apply" else "is as the run left it"
        case "before":
            if host.status == "not-reached":
                return "was not touched"
            return "is as before" if result.kind == "apply" else f"is as before run {result.plan_run}"


def undoes_itself(host: HostRun) -> str:
    """When a pending node goes back, such as ``will undo itself at 12:00:00 UTC``."""
    time = _TIME.match(host.undo_at or "")
    return f"will undo itself at {time[1]} UTC" if time else "will undo itself"


def next_steps(result: RunResult) -> tuple[str, ...]:
    """What to do now, one sentence each, the most urgent first."""
    return tuple(_next_steps(result))


def _next_steps(result: RunResult) -> Iterator[str]:
    hosts = result.hosts.values()
    if pending := [host for host in hosts if host.node == "pending"]:
        yield f"{named(pending)}: the undo needs nobody; to hear how it went: {_again(result, pending)}"
    if unknown := [host for host in hosts if host.node == "unknown"]:
        yield f"{named(unknown)}: to ask again, once reachable: {_again(result, unknown)}"
    yield from _apply_steps(result) if result.kind == "apply" else _rollback_steps(result)


def _apply_steps(result: RunResult) -> Iterator[str]:
    hosts = result.hosts.values()
    plan = f"fleet plan {shlex.quote(result.playbook)}"
    if result.status in {"interrupted", "running"} and any(
        host.status == "not-reached" and host.error is None for host in hosts
    ):
        yield f"to go on with the hosts that were not reached: fleet apply --resume {result.run_id}"
    if result.status in {"stopped", "undone"}:
        yield f"mend what stopped it, then make a new plan: {plan}"
    elif stale := [host for host in hosts if host.error is not None and host.error.kind == "stale"]:
        yield f"{named(stale)}: the plan no longer fits: look at what moved, then make a new plan: {plan}"
    if any(host.status == "changed" for host in hosts):
        yield f"to take back what was changed: fleet rollback {result.run_id}"


def _rollback_steps(result: RunResult) -> Iterator[str]:
    refused = [host for host in result.hosts.values() if host.error is not None and host.error.kind in _REFUSED]
    if refused:
        yield f"{named(refused)}: read why; to take it back all the same: {_again(result, refused)} --force"


def _again(result: RunResult, hosts: Sequence[HostRun]) -> str:
    if result.kind == "apply":
        return f"fleet apply --resume {result.run_id}"
    return f"fleet rollback {result.plan_run} -l {shlex.quote(','.join(host.name for host in hosts))}"


def named(hosts: Iterable[HostRun]) -> str:
    """Hosts by their names, runs of numbers folded."""
    return fold_names(in_order(host.name for host in hosts))
