"""What an apply is about to do, told before anybody is asked for a yes."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.text import Text

from fleet.model.rollout import CommandGate, Gate, PrometheusGate, ProveGate, RatesGate, Rollout, VerifyGate
from fleet.plan import HostPlan, Plan
from fleet.report.grouping import fold_names, in_order
from fleet.report.layout import columns, joined, listed, shown
from fleet.report.plan_grouping import refusals, risks
from fleet.report.words import count_hosts

_MOST_BATCHES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """An apply that has not begun.

    Attributes:
        plan: of the chosen hosts only.
        batches: the hosts that are changed, in order.
        others: how many hosts of the plan were not chosen.
    """

    plan: Plan
    batches: Sequence[Sequence[str]]
    others: int = 0


def render_intent(intent: Intent, *, width: int | None) -> Text:
    """Say in words which hosts are changed in which batches, what is checked, and what is taken back when.

    Args:
        intent: what is about to begin.
        width: cells of the terminal; None never wraps.
    """
    rows = [[Text(f"  {name}"), shown(text)] for name, text in _rows(intent)]
    sections = [
        [Text("What will happen", style="bold"), *columns(rows, width=width)],
        listed("Left out", _left_out(intent), width=width),
        listed("Not done, because the plan refuses it", refusals(intent.plan), width=width),
        listed("Risks", risks(intent.plan), width=width),
    ]
    told = [section for section in sections if section]
    return joined(line for number, lines in enumerate(told) for line in ([Text()] if number else []) + lines)


def hosts_to_change(intent: Intent) -> int:
    """How many hosts are changed."""
    return sum(map(len, intent.batches))


def _rows(intent: Intent) -> Iterator[tuple[str, str]]:
    rollout = intent.plan.rollout
    unchanged = sum(host.status == "none" for host in intent.plan.hosts.values())
    counts = [
        f"{hosts_to_change(intent)} to change",
        *([f"{unchanged} with nothing to change"] if unchanged else []),
        *([f"{intent.others} more of the plan not chosen"] if intent.others else []),
    ]
    yield "hosts", ", ".join(counts)
    yield from _batches(intent.batches)
    for number, gate in enumerate(rollout.gates):
        yield "" if number else "gates", gate_words(gate)
    if rollout.soak or rollout.pause:
        waits = ((rollout.soak, "before the gates of a batch"), (rollout.pause, "between batches"))
        yield "waits", ", ".join(f"{seconds:g} s {when}" for seconds, when in waits if seconds)
    if rollout.before:
        yield "hook", f"before a host is changed, here: {shlex.join(rollout.before)}"
    if rollout.after:
        yield "hook", f"once a host is confirmed or undone, here: {shlex.join(rollout.after)}"
    if rollout.restart:
        yield "restarts", f"{', '.join(rollout.restart)}, where a file that it reads is changed"
    if rollout.windows:
        yield "window", "; ".join(window.text for window in rollout.windows)
    yield (
        "undo",
        (
            f"armed on each node before its first write: unless it is confirmed within {rollout.confirm_within:g} s,"
            " it undoes itself"
        ),
    )
    yield "stop", _stop(rollout)


def _batches(batches: Sequence[Sequence[str]]) -> Iterator[tuple[str, str]]:
    for number, hosts in enumerate(batches[:_MOST_BATCHES], start=1):
        role = ""
        if len(batches) > 1 and number == 1:
            role = ", the canary"
        elif len(batches) == 1 and len(hosts) > 1:
            role = ", all at once"
        yield "" if number > 1 else "batches", f"{number}: {count_hosts(len(hosts))}{role}: {_fold(hosts)}"
    if len(batches) > _MOST_BATCHES:
        rest = batches[_MOST_BATCHES:]
        yield "", f"and {len(rest)} more, with {count_hosts(sum(map(len, rest)))} in all"


def gate_words(gate: Gate) -> str:
    """What a gate asks for."""
    match gate:
        case VerifyGate():
            return "verify: what the plan mends must pass the playbook on every changed host"
        case CommandGate():
            where = "here" if gate.on == "controller" else "on each changed host, as root"
            return f"command, {where}: {shlex.join(gate.command)}"
        case PrometheusGate():
            return f"prometheus: {gate.query} {gate.expect}"
        case ProveGate():
            where = "this machine's kernel" if gate.on == "controller" else "its own kernel"
            return f"prove: with the values of each changed host, on {where}, a segment above the window resets nothing"
        case RatesGate():
            return (
                "rates: resets sent, segments sent again and INVALID packets of changed hosts,"
                f" at most {gate.at_most:g} times those of untouched ones over {gate.window:g} s"
            )


def _stop(rollout: Rollout) -> str:
    failed = "a host fails or cannot be reached"
    if rollout.max_fail_percentage:
        failed = f"more than {rollout.max_fail_percentage:g} % of a batch fail or cannot be reached"
    gate = ", or a gate fails" if rollout.gates else ""
    scope = "the whole run is taken back" if rollout.undo == "all" else "the batch is taken back, earlier ones stay"
    return f"if {failed}{gate}: {scope}"


def _left_out(intent: Intent) -> list[tuple[str, str]]:
    changed = {host for batch in intent.batches for host in batch}
    hosts: dict[str, list[str]] = {}
    for name, host in intent.plan.hosts.items():
        if name not in changed and (why := _why_left_out(host)):
            hosts.setdefault(why, []).append(name)
    return [(_fold(names), why) for why, names in hosts.items()]


def _why_left_out(host: HostPlan) -> str:
    if host.error is not None:
        return f"{host.error.kind}: {host.error.message}"
    if host.plan is not None and host.plan.refused:
        return "the plan refuses all that should change"
    if host.plan is not None and host.plan.remedies:
        return "the remedy is in the cluster, where fleet changes nothing"
    return ""


def _fold(hosts: Sequence[str]) -> str:
    return fold_names(in_order(hosts))
