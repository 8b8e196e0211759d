"""What the log of an application tells of its resets: a fixed interval, or a burst, and from where."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from fleet.diagnose.log_time import time_of
from fleet.diagnose.periods import FEWEST, fixed_interval
from fleet.diagnose.rule import Cause, several
from fleet.model.diagnosis import CauseVerdict

HEALTH_CHECK: Final = Cause(
    name="health-check",
    title="something connects and hangs up at a fixed interval",
    place="elsewhere",
    remedy="Not a node problem. Look for a load balancer or a probe with this interval and this address: a TCP health"
    " check opens a connection, sends nothing and closes it. Give it an HTTP check, or keep its lines out of the log.",
    sources=("https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/",),
)
RESETS: Final = Cause(
    name="logged-resets",
    title="resets without a fixed interval",
    place="elsewhere",
    remedy="",
    sources=(),
)

_RESET = re.compile(r"connection reset by peer|ECONNRESET", re.IGNORECASE)
_ADDRESS = r"\[?((?:\d{1,3}\.){3}\d{1,3}|[0-9a-fA-F]*:[0-9a-fA-F:]*:[0-9a-fA-F:]+)\]?"
# The peer of Go's messages, then of nginx's, then whatever address comes first.
_PEERS = tuple(map(re.compile, (rf"->{_ADDRESS}", rf"\bclient: {_ADDRESS}", rf"(?<![\w.:]){_ADDRESS}(?![\w.])")))
_MOST_NAMED = 5
_BURST = timedelta(minutes=2)
_LONGEST_LINE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedReset:
    """One line; what it does not tell is None."""

    at: datetime | None
    peer: IPv4Address | IPv6Address | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Resets of one peer that come at a fixed interval, in seconds."""

    peer: IPv4Address | IPv6Address
    seconds: float
    count: int


def logged_resets(lines: Iterable[str], now: datetime) -> tuple[LoggedReset, ...]:
    """The lines that tell of a reset.

    Args:
        lines: of a log.
        now: for times without a year.
    """
    cut = (line[:_LONGEST_LINE] for line in lines)
    return tuple(LoggedReset(at=time_of(line, now), peer=_peer(line)) for line in cut if _RESET.search(line))


def judge_log(resets: Sequence[LoggedReset]) -> tuple[CauseVerdict, ...]:
    """The verdicts on what a log told."""
    if not resets:
        none = "no line tells of a connection that was reset by its peer"
        return HEALTH_CHECK.is_("excluded", none), RESETS.is_("excluded", none)
    found = intervals(resets)
    regular = sum(interval.count for interval in found)
    checks = HEALTH_CHECK.is_(
        "likely",
        *(
            f"{several(each.count, 'reset')} of {each.peer} come every {each.seconds:.1f} s"
            for each in sorted(found, key=lambda each: -each.count)[:_MOST_NAMED]
        ),
    )
    if not found:
        checks = HEALTH_CHECK.is_("excluded", f"of {several(len(resets), 'reset')} no peer's come at a fixed interval")
    if regular == len(resets):
        return checks, RESETS.is_("excluded", f"all {several(regular, 'reset')} come at a fixed interval")
    peers = {interval.peer for interval in found}
    return checks, _others([reset for reset in resets if reset.peer not in peers])


def intervals(resets: Iterable[LoggedReset]) -> tuple[Interval, ...]:
    """The peers whose resets come at a fixed interval; a gap of several intervals counts as such."""
    times: Mapping[IPv4Address | IPv6Address, list[datetime]] = defaultdict(list)
    for reset in resets:
        if reset.at is not None and reset.peer is not None:
            times[reset.peer].append(reset.at)
    found = []
    for peer, moments in times.items():
        seconds = fixed_interval(moment.timestamp() for moment in moments)
        if seconds is not None:
            found.append(Interval(peer=peer, seconds=seconds, count=len(moments)))
    return tuple(found)


def _others(resets: Sequence[LoggedReset]) -> CauseVerdict:
    ranges = Counter(_range(reset.peer) for reset in resets if reset.peer is not None)
    from_where = ", ".join(f"{network} ({count})" for network, count in ranges.most_common(_MOST_NAMED))
    lines = [f"{several(len(resets), 'reset')} without a fixed interval" + (f", from {from_where}" if ranges else "")]
    times = sorted(reset.at for reset in resets if reset.at is not None)
    if len(times) >= FEWEST and times[-1] - times[0] <= _BURST:
        lines.append(
            f"all between {times[0]:%Y-%m-%d %H:%M:%S} and {times[-1]:%H:%M:%S}: look for a rollout or a node that was"
            " lost at that moment ('fleet diagnose --kubernetes FILE' reads its events)"
        )
    else:
        lines.append("'fleet diagnose' on the nodes, while it happens, tells their causes apart")
    return RESETS.is_("cannot tell", *lines)


def _range(peer: IPv4Address | IPv6Address) -> str:
    return str(ip_network((peer, 24 if isinstance(peer, IPv4Address) else 64), strict=False))


def _peer(line: str) -> IPv4Address | IPv6Address | None:
    for pattern in _PEERS:
        for found in pattern.finditer(line):
            try:
                return ip_address(found[1])
            except ValueError:
                continue
    return None
