"""What many hosts have in common in a plan, told once."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from fleet.plan import Change, Kept, NodePlan, Plan, Refused, Remedy
from fleet.report.grouping import name_hosts

Part = TypeVar("Part", Change, Kept, Refused, Remedy, str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared(Generic[Part]):
    """One part of a plan and the hosts that have exactly this one, in the plan's order."""

    part: Part
    hosts: tuple[str, ...]


def shared(plan: Plan, parts: Callable[[NodePlan], Iterable[Part]]) -> tuple[Shared[Part], ...]:
    """The parts of all hosts, each once, those of the most hosts first.

    Args:
        plan: of the fleet.
        parts: which of a node's plan.
    """
    hosts: dict[Part, list[str]] = {}
    for name, host in plan.hosts.items():
        for part in dict.fromkeys(parts(host.plan)) if host.plan is not None else ():
            hosts.setdefault(part, []).append(name)
    found = [Shared(part=part, hosts=tuple(names)) for part, names in hosts.items()]
    return tuple(sorted(found, key=lambda each: -len(each.hosts)))


def changes(plan: Plan) -> Sequence[Shared[Change]]:
    """The changes of all hosts; those that differ only in their reason share a diff, told with the first reason."""
    diffs: dict[tuple[str, str, str], tuple[Change, list[str]]] = {}
    for name, host in plan.hosts.items():
        for change in host.plan.changes if host.plan is not None else ():
            diffs.setdefault((change.kind, change.target, change.diff), (change, []))[1].append(name)
    found = [Shared(part=change, hosts=tuple(names)) for change, names in diffs.values()]
    kinds = ("file", "module", "sysctl", "unit")
    return sorted(found, key=lambda each: (kinds.index(each.part.kind), -len(each.hosts), each.part.target))


def refusals(plan: Plan) -> list[tuple[str, str]]:
    """What is refused, once each: the hosts in words, and the target with the reason."""
    everyone = planned_hosts(plan)
    found = shared(plan, lambda node: node.refused)
    return [(name_hosts(each.hosts, everyone), f"{each.part.target}: {each.part.reason}") for each in found]


def risks(plan: Plan) -> list[tuple[str, str]]:
    """What is risky about the changes, once each: the hosts in words, and the risk."""
    everyone = planned_hosts(plan)
    return [(name_hosts(each.hosts, everyone), each.part) for each in shared(plan, lambda node: node.risks)]


def planned_hosts(plan: Plan) -> tuple[str, ...]:
    """The hosts that were read."""
    return tuple(name for name, host in plan.hosts.items() if host.plan is not None)
