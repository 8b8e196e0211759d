"""Rates of changed hosts against those of untouched ones: what was read, judged."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from fleet.model.counters import Counters
from fleet.model.facts import Unavailable
from fleet.model.rollout import GateResult, RatesGate
from fleet.rollout.gates.result import counted, failed, listed, passed

WORDS: Mapping[str, str] = {"resets": "resets sent", "again": "segments sent again", "invalid": "INVALID packets"}
"""The rates that are compared, and what they are called."""

_EXACT_BELOW = 1000


@dataclass(frozen=True, slots=True)
class CannotTell:
    """Why two readings give no rates, to follow the host's name."""

    reason: str


Rates = Mapping[str, float]
"""Events a second by the names of ``WORDS``; ``invalid`` is left out where the kernel does not count them."""


def rates_between(before: Counters, after: Counters) -> Rates | CannotTell:
    """What happened in a second between two readings of one node, by the node's own clock."""
    if before.boot_id != after.boot_id:
        return CannotTell("has rebooted between the two readings")
    elapsed = after.uptime - before.uptime
    if elapsed <= 0:
        return CannotTell("has a clock that did not move on between the two readings")
    first, second = _counts(before), _counts(after)
    if missing := [name for name in ("resets", "again") if name not in first or name not in second]:
        return CannotTell(f"does not count {WORDS[missing[0]]}")
    if first.keys() != second.keys() or any(second[name] < first[name] for name in first):
        return CannotTell("has begun to count anew between the two readings")
    return {name: (second[name] - first[name]) / elapsed for name in first}


def decide(
    gate: RatesGate,
    changed: Mapping[str, Rates | CannotTell],
    untouched: Sequence[Rates],
    notes: Sequence[str] = (),
) -> GateResult:
    """Hold each changed host against the median of the untouched ones, and against the floor.

    Args:
        gate: with the factor and the floor.
        changed: by host.
        untouched: those that could be read.
        notes: what else to say of the untouched.
    """
    usual = {name: median(values) for name in WORDS if (values := [each[name] for each in untouched if name in each])}
    problems = [problem for host, rates in changed.items() for problem in _problems(gate, host, rates, usual)]
    compared = "; ".join((_compared(gate, usual, len(untouched)), *notes))
    if problems:
        return failed(gate, f"{listed(problems)}; {compared}")
    return passed(gate, f"{_calm(changed, usual)}; {compared}")


def sample(hosts: Sequence[str], most: int) -> tuple[str, ...]:
    """The same hosts each time, spread evenly over the inventory, whose neighbours are often alike."""
    count = min(most, len(hosts))
    return tuple(hosts[number * len(hosts) // count] for number in range(count))


def _counts(counters: Counters) -> dict[str, int]:
    found = {"resets": "TcpOutRsts", "again": "TcpRetransSegs"}
    counts = {name: counters.counters[key] for name, key in found.items() if key in counters.counters}
    if not isinstance(counters.conntrack, Unavailable) and "invalid" in counters.conntrack:
        counts["invalid"] = counters.conntrack["invalid"]
    return counts


def _problems(gate: RatesGate, host: str, rates: Rates | CannotTell, usual: Rates) -> Iterator[str]:
    if isinstance(rates, CannotTell):
        yield f"cannot tell: {host} {rates.reason}"
        return
    for name, rate in rates.items():
        allowed = max(gate.floor, gate.at_most * usual.get(name, 0.0))
        if rate > allowed:
            yield f"{host} has {_shown(rate)} {WORDS[name]} a second, allowed are {_shown(allowed)}"


def _calm(changed: Mapping[str, Rates | CannotTell], usual: Rates) -> str:
    """The highest rates of the changed hosts, where all are allowed."""
    rates = {host: each for host, each in changed.items() if not isinstance(each, CannotTell)}
    tops = {name: max(values) for name in WORDS if (values := [each[name] for each in rates.values() if name in each])}
    shown = [
        f"{_shown(top)} {WORDS[name]}" + (f" (usual {_shown(usual[name])})" if name in usual else "")
        for name, top in tops.items()
    ]
    silent = [host for host, each in rates.items() if "invalid" not in each]
    unseen = f"; {WORDS['invalid']} are not counted on {', '.join(silent[:3])}" if silent else ""
    return f"at most {', '.join(shown)} a second on {counted(len(rates), 'changed host')}{unseen}"


def _compared(gate: RatesGate, usual: Rates, count: int) -> str:
    if not usual:
        return f"no untouched host to compare with, so only more than {gate.floor:g} a second would count"
    return f"compared with {counted(count, 'untouched host')}"


def _shown(rate: float) -> str:
    return f"{rate:.3g}" if rate < _EXACT_BELOW else f"{rate:.0f}"
