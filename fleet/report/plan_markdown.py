"""A plan as Markdown, for a merge request: each diff once, to unfold, within the length of a comment."""

from collections.abc import Iterable, Iterator, Sequence

from fleet.model.text import printable
from fleet.plan import Change, HostPlan, Plan, Remedy, count_hosts_by_status
from fleet.report.grouping import name_hosts
from fleet.report.markdown import LONGEST, fill, inert
from fleet.report.plan_grouping import Shared, changes, planned_hosts, shared
from fleet.report.plan_status import PLAN_STATUSES, PLAN_WORDS, tally

_LONGEST_LINE = 400
_MOST_LINES = 200


def plan_markdown(plan: Plan, *, limit: int = LONGEST) -> str:
    """The text of ``fleet plan -f markdown``: counts, the changes to unfold, refusals and risks, one row a host.

    What does not fit is left out from the end of each part, and a sentence says how much.

    Args:
        plan: what to tell.
        limit: most characters of the result, 6,000 or more.
    """
    counts = count_hosts_by_status(plan)
    told = " · ".join(f"{counts[status]} {PLAN_WORDS[status]}" for status in PLAN_STATUSES if counts[status])
    text = (
        f"## Plan for {len(plan.hosts)} host{'' if len(plan.hosts) == 1 else 's'}: {told or 'nothing'}\n\n"
        f"Playbook {inert(plan.playbook)}, run {inert(plan.run_id)}, made {inert(plan.created)}, "
        f"fleet {inert(plan.version)}.\n"
    )
    everyone = planned_hosts(plan)
    # Refusals and risks first, so that long diffs do not push them out.
    notes = _notes(plan, everyone)
    room = (limit - len(text)) // 4
    text += fill("", notes, "\n{} more refusals and risks are left out here: the JSON has them all.\n", room)
    rows = [_row(host) for host in sorted(plan.hosts.values(), key=lambda host: PLAN_STATUSES.index(host.status))]
    table = "\n| Status | Host | Plan |\n|---|---|---|\n"
    hosts = fill(table, rows, "\n{} more hosts are left out here: the JSON has them all.\n", room)
    blocks = (*(_change(each, everyone) for each in changes(plan)), *_remedies(plan, everyone))
    left_out = "\n{} more changes are left out here: the JSON has them all.\n"
    text += fill("\n### Changes\n", blocks, left_out, limit - len(text) - len(hosts)) if blocks else ""
    return text + hosts


def _notes(plan: Plan, everyone: Sequence[str]) -> Iterator[str]:
    refused = shared(plan, lambda node: node.refused)
    for number, each in enumerate(refused):
        title = "" if number else "\n### Refused\n\n"
        hosts = inert(name_hosts(each.hosts, everyone))
        yield f"{title}- {hosts}: {inert(each.part.target)}: {inert(each.part.reason)}\n"
    for number, risk in enumerate(shared(plan, lambda node: node.risks)):
        title = "" if number else "\n### Risks\n\n"
        yield f"{title}- {inert(name_hosts(risk.hosts, everyone))}: {inert(risk.part)}\n"


def _row(host: HostPlan) -> str:
    told = f"{host.error.kind}: {host.error.message}" if host.error is not None else tally(host)
    return f"| {host.status} | {inert(host.name)} | {inert(told)} |\n"


def _change(each: Shared[Change], everyone: Sequence[str]) -> str:
    change = each.part
    many = f"{len(each.hosts)} hosts: same diff" if len(each.hosts) > 1 else "1 host"
    return (
        f"\n<details><summary>{change.kind} {inert(change.target)}: {many}</summary>\n\n"
        f"On {inert(name_hosts(each.hosts, everyone))}, for {inert(', '.join(change.controls) or 'order')}:"
        f" {inert(change.reason)}\n\n{_fenced(change.diff.split(chr(10)), 'diff')}\n</details>\n"
    )


def _remedies(plan: Plan, everyone: Sequence[str]) -> Iterator[str]:
    each: Shared[Remedy]
    for each in shared(plan, lambda node: node.remedies):
        remedy = each.part
        yield (
            f"\n<details><summary>in the cluster: {inert(remedy.target)}</summary>\n\n"
            f"On {inert(name_hosts(each.hosts, everyone))} {inert(remedy.writer)} would undo a change."
            f" {inert(remedy.text)}\n\n{_fenced(remedy.patch.rstrip().split(chr(10)), 'yaml')}\n</details>\n"
        )


def _fenced(lines: Iterable[str], language: str) -> str:
    """Text as it is between fences that it cannot close."""
    safe = [printable(line, _LONGEST_LINE) for line in lines]
    if len(safe) > _MOST_LINES:
        safe = [*safe[:_MOST_LINES], f"... {len(safe) - _MOST_LINES} more lines: the JSON has them all"]
    ticks = "```"
    while any(ticks in line for line in safe):
        ticks += "`"
    return f"{ticks}{language}\n" + "".join(f"{line}\n" for line in safe) + f"{ticks}\n"
