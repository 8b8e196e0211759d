"""A plan as text for a terminal or a pipe."""

from collections.abc import Iterable, Sequence
from typing import Final

from rich.text import Text

from fleet.plan import HostPlan, Plan, count_hosts_by_status
from fleet.plan.model import PlanStatus
from fleet.report.grouping import name_hosts
from fleet.report.layout import columns, hanging, joined, listed, shown
from fleet.report.plan_grouping import changes, planned_hosts, refusals, risks, shared
from fleet.report.plan_status import PLAN_STATUSES, PLAN_WORDS, tally
from fleet.report.words import count_hosts

_MARKS: Final[dict[PlanStatus, tuple[str, str]]] = {
    "unreachable": ("!", "bold red"),
    "failed": ("!", "bold red"),
    "refused": ("✗", "red"),
    "changes": ("~", "yellow"),
    "none": ("✓", "green"),
}
_DIFF_STYLES: Final = {"+": "green", "-": "red", "@": "cyan"}


def render_plan(plan: Plan, *, verbosity: int, width: int | None) -> Text:
    """Tell a plan: one line a host, worst first; each diff once, with the hosts that share it; a summary line.

    Args:
        plan: what to tell.
        verbosity: 1 also tells what is not changed and why, 2 with what is so already.
        width: cells of the terminal; None never wraps, for pipes and files.
    """
    everyone = planned_hosts(plan)
    sections = [
        columns([_row(host) for host in _worst_first(plan)], width=width),
        *_changes(plan, everyone, width),
        *_remedies(plan, everyone, width),
        listed("Refused", refusals(plan), width=width),
        listed("Risks", risks(plan), width=width),
    ]
    if verbosity:
        rows = [
            (
                _hosts(each.hosts, everyone),
                f"{each.part.why}: {each.part.target} ({each.part.control}): {each.part.reason}",
            )
            for each in shared(plan, lambda node: node.kept)
            if verbosity > 1 or each.part.why not in {"noop", "skipped"}
        ]
        sections.append(listed("Not changed", rows, width=width))
    sections.append(hanging(Text(), render_plan_summary(plan), width=width))
    told = [section for section in sections if section]
    return joined(line for number, lines in enumerate(told) for line in ([Text()] if number else []) + lines)


def render_plan_summary(plan: Plan) -> Text:
    """One line: how many hosts, and how many of each status."""
    counts = count_hosts_by_status(plan)
    parts = [
        Text(f"{counts[status]} {PLAN_WORDS[status]}", style=_MARKS[status][1])
        for status in PLAN_STATUSES
        if counts[status]
    ]
    return Text.assemble((count_hosts(len(plan.hosts)), "bold"), ": ", Text(", ").join(parts))


def _worst_first(plan: Plan) -> list[HostPlan]:
    return sorted(plan.hosts.values(), key=lambda host: PLAN_STATUSES.index(host.status))


def _row(host: HostPlan) -> list[Text]:
    mark, style = _MARKS[host.status]
    told = tally(host)
    if host.error is not None:
        kind = "" if host.error.kind == host.status else f"{host.error.kind}: "
        told = f"{kind}{host.error.message}"
    return [Text(f"{mark} {host.status}", style=style), shown(host.name, "bold"), shown(told)]


def _changes(plan: Plan, everyone: Sequence[str], width: int | None) -> Iterable[list[Text]]:
    for each in changes(plan):
        change = each.part
        head = Text.assemble(f"{change.kind} ", shown(change.target, "bold"), f": {_same(each.hosts, everyone)}")
        lines = hanging(Text(), head, width=width)
        lines += hanging(Text("  why: "), shown(change.reason), width=width)
        for line in change.diff.split("\n"):
            lines.append(Text("  ").append_text(shown(line, _DIFF_STYLES.get(line[:1], ""))))
        yield lines


def _remedies(plan: Plan, everyone: Sequence[str], width: int | None) -> Iterable[list[Text]]:
    for each in shared(plan, lambda node: node.remedies):
        remedy = each.part
        head = Text.assemble("in the cluster: ", shown(remedy.target, "bold"), f": {_hosts(each.hosts, everyone)}")
        lines = hanging(Text(), head, width=width)
        lines += hanging(
            Text("  "), shown(f"{remedy.writer} would undo a change on the node. {remedy.text}"), width=width
        )
        lines += [Text("  ").append_text(shown(line)) for line in remedy.patch.rstrip("\n").split("\n")]
        yield lines


def _same(hosts: Sequence[str], everyone: Sequence[str]) -> str:
    if len(hosts) == 1:
        return hosts[0]
    return f"{len(hosts)} hosts, same diff: {_hosts(hosts, everyone)}"


def _hosts(hosts: Sequence[str], everyone: Sequence[str]) -> str:
    return name_hosts(hosts, everyone)
