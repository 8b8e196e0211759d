"""Whether a rollout goes on."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Final

from fleet.model.rollout import GateResult, HostRun, HostRunStatus, Window
from fleet.report.words import count_hosts
from fleet.rollout.windows import next_opening

_FAILED: Final[frozenset[HostRunStatus]] = frozenset({"failed", "undone", "unreachable"})
_WHOLE = 100
_MOST_NAMED = 3


def too_many_failed(hosts: Collection[HostRun], max_fail_percentage: float) -> str:
    """Why a batch stops the rollout, by the hosts that are not as they should be; empty where it does not."""
    failed = [host for host in hosts if host.status in _FAILED]
    share = _WHOLE * len(failed) / len(hosts)
    if share <= max_fail_percentage:
        return ""
    reasons = list(dict.fromkeys(f"{host.name}: {host.error.message}" for host in failed if host.error is not None))
    more = f" and {len(reasons) - _MOST_NAMED} more" if len(reasons) > _MOST_NAMED else ""
    named = f" ({'; '.join(reasons[:_MOST_NAMED])}{more})" if reasons else ""
    limit = f"{share:.3g} % and more than {max_fail_percentage:g} %"
    return f"{len(failed)} of {count_hosts(len(hosts))} failed, which is {limit}{named}"


def failed_gate(gates: Iterable[GateResult]) -> str:
    """Which gate did not pass, and why; empty where all did."""
    return next((f"the gate {gate.kind} failed: {gate.detail}" for gate in gates if not gate.passed), "")


def too_late(left: Mapping[str, float], needed: float) -> tuple[str, ...]:
    """The hosts that would undo themselves before they could be confirmed.

    Args:
        left: seconds until each undoes itself.
        needed: seconds for soak and gates.
    """
    return tuple(name for name, seconds in left.items() if seconds < needed)


def closed_window(windows: tuple[Window, ...], moment: datetime) -> str:
    """That no window is open, and when the next one opens."""
    opens = next_opening(windows, moment)
    return f"no maintenance window is open; the next one opens {opens:%A %Y-%m-%d %H:%M %Z}"


def summary(hosts: Collection[HostRun]) -> str:
    """What a batch came to, in a few words."""
    words: Mapping[HostRunStatus, str] = {
        "changed": "confirmed",
        "noop": "without changes",
        "undone": "undone",
        "failed": "failed",
        "unreachable": "unreachable",
        "not-reached": "not reached",
    }
    counts = {word: sum(host.status == status for host in hosts) for status, word in words.items()}
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count)
