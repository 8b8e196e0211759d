"""What the kernel counts in one network namespace."""

from __future__ import annotations

from collections.abc import Mapping

_HEXADECIMAL = 16
Counters = dict[str, int]
_KEPT = frozenset(
    (
        *("conntrack invalid", "conntrack drop", "conntrack early_drop", "conntrack insert_failed"),
        *("TcpOutRsts", "TcpEstabResets", "TcpAttemptFails", "TcpExtBeyondWindow", "TcpExtTCPSynRetrans"),
        *("TcpExtTCPChallengeACK", "TcpExtTWRecycled", "TcpExtTCPTimeWaitOverflow"),
        *("TcpExtTCPAbortOnData", "TcpExtTCPKeepAlive"),
    )
)


def read() -> Counters:
    """The counters of the present namespace by nstat's names, and conntrack's summed over processors."""
    found = _conntrack()
    for path, prefixed in (("/proc/thread-self/net/snmp", ("Tcp",)), ("/proc/thread-self/net/netstat", ("TcpExt",))):
        with open(path, encoding="ascii") as file:
            lines = file.read().splitlines()
        for names, values in zip(lines[::2], lines[1::2]):
            group, _, rest = names.partition(":")
            if group in prefixed:
                numbers = map(int, values.partition(":")[2].split())
                found.update(zip((group + name for name in rest.split()), numbers))
    return found


def moved(before: Mapping[str, int], after: Mapping[str, int]) -> Counters:
    """By how much those counters rose that tell resets and losses."""
    return {
        name: after[name] - before.get(name, 0)
        for name in sorted(_KEPT & set(after))
        if after[name] > before.get(name, 0)
    }


def _conntrack() -> Counters:
    try:
        with open("/proc/thread-self/net/stat/nf_conntrack", encoding="ascii") as file:
            titles, *rows = [line.split() for line in file]
    except FileNotFoundError:
        return {}
    totals = {f"conntrack {title}": 0 for title in titles}
    for row in rows:
        for title, number in zip(titles, row):
            totals[f"conntrack {title}"] += int(number, _HEXADECIMAL)
    return totals
