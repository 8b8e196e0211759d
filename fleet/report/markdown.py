"""An audit as Markdown, for a merge request or a ticket on GitHub or GitLab."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from fleet.model.finding import Audit, FindingStatus, HostAudit
from fleet.model.text import printable
from fleet.report.explain import notes, pod_remedy, states
from fleet.report.grouping import ControlVerdicts, Verdict, by_control, name_hosts
from fleet.report.pod_remedy import (
    POD_REMEDY_TITLE,
    PodRemedyGroup,
    kubelet_flag,
    pod_remedy_groups,
    security_context,
    where_it_belongs,
)
from fleet.report.protection import PROTECTION_TITLE, by_guards, protection_groups
from fleet.report.status import NOTEWORTHY, finding_counts, host_counts, worst_finding, worst_first
from fleet.report.words import HOST_COUNT_WORDS, MOMENTS

LONGEST: Final = 60_000
"""Characters; a comment on GitHub may have 65,536."""

LONGEST_VALUE: Final = 400

# What means nothing to Markdown, GitHub or GitLab within a line; _LINKED is what they would make a link or an emoji of.
_INERT: Final = re.compile(r"(?:[^\W_]|[ .:,;()=/'\"{}→…-]|(?<=[^\W_])_(?=[^\W_])|(?<=[0-9])%)*")
_LINKED: Final = re.compile(r"www\.|:[a-z/+]|\bGH-[0-9]", re.IGNORECASE)


def audit_markdown(audit: Audit, *, limit: int = LONGEST) -> str:
    """The text of ``fleet audit -f markdown``: counts, one row a host worst first, then the findings to unfold.

    What does not fit is left out from the end of each part, and a sentence says how much.

    Args:
        audit: what to tell.
        limit: most characters of the result, 6,000 or more.
    """
    counts = " · ".join(f"{count} {HOST_COUNT_WORDS[status]}" for status, count in host_counts(audit).items() if count)
    head = (
        f"## Kernel audit of {len(audit.hosts)} host{'' if len(audit.hosts) == 1 else 's'}: {counts or 'nothing'}\n\n"
        f"Playbook {inert(audit.playbook)}, run {inert(audit.run_id)}, finished {inert(audit.finished)}, "
        f"fleet {inert(audit.version)}.\n\n"
    )
    # Half for the hosts, so that in a large fleet the findings, which are told once for many hosts, still fit.
    hosts = _hosts(audit, (limit - len(head)) // 2)
    return head + hosts + _findings(audit, limit - len(head) - len(hosts))


def inert(text: str) -> str:
    """Foreign text that shows as it is and does nothing: no markup, link, mention, reference or table border."""
    text = printable(text, LONGEST_VALUE)
    if _INERT.fullmatch(text) and not _LINKED.search(text):
        return text
    # Mentions and references are not looked for inside <code>; entities make the rest plain characters.
    return f"<code>{''.join(char if char.isalnum() or char in ' -,/' else f'&#{ord(char)};' for char in text)}</code>"


def _hosts(audit: Audit, limit: int) -> str:
    rows = (_row(host) for host in worst_first(audit.hosts.values()))
    head = "| Status | Host | Findings | Worst |\n|---|---|---|---|\n"
    return fill(head, rows, "\n{} more hosts are left out here: the JSON has them all.\n", limit)


def _row(host: HostAudit) -> str:
    counts = finding_counts(host.findings)
    tally = ", ".join(f"{counts[status]} {status}" for status in counts if counts[status])
    worst = worst_finding(host)
    text = ""
    if host.error is not None:
        text = f"{host.error.kind}: {inert(host.error.message)}"
    elif worst is not None:
        text = f"{worst.impact}: {inert(worst.control)}: {inert(worst.reason)}"
    return f"| {host.status} | {inert(host.name)} | {tally} | {text} |\n"


def _findings(audit: Audit, limit: int) -> str:
    everyone = [name for name, host in audit.hosts.items() if host.error is None]
    protection = _protection(audit, everyone)
    controls = by_control(audit, NOTEWORTHY)
    remedies = [_pod_remedy(group, everyone) for group in pod_remedy_groups(audit)]
    if not controls and not protection and not remedies:
        return ""
    blocks = (*protection, *(_details(control, everyone) for control in controls), *remedies)
    left_out = "\n{} more parts of the findings are left out here: the JSON has them all.\n"
    return fill("\n### Findings\n", blocks, left_out, limit)


def _protection(audit: Audit, everyone: Sequence[str]) -> tuple[str, ...]:
    groups = protection_groups(audit, everything=False)
    if not groups:
        return ()
    rows = [[*map(inert, guards), inert(name_hosts(hosts, everyone))] for guards, hosts in by_guards(groups)]
    reasons = [
        f"- {moments}: {inert(reason)} (on {inert(group.hosts[0])})\n"
        for group in groups
        for moments, reason in group.reasons
    ]
    count = sum(len(group.hosts) for group in groups)
    return (
        f"\n<details><summary>{PROTECTION_TITLE}: {count} to look at</summary>\n\n"
        + table([*MOMENTS.values(), "hosts"], rows)
        + ("\n" + "".join(reasons) if reasons else "")
        + "\n</details>\n",
    )


def _pod_remedy(group: PodRemedyGroup, everyone: Sequence[str]) -> str:
    flag = kubelet_flag(group.remedy)
    lines = [
        f"\n<details><summary>{POD_REMEDY_TITLE}</summary>\n",
        f"For pods on {inert(name_hosts(group.hosts, everyone))}. {where_it_belongs([group])}\n",
        # No line of the block can end it: each begins with its own word, and is printable.
        *("```yaml", *security_context(group.remedy), "```\n"),
        *(("With the kubelet's flag:\n", "```", flag, "```\n") if flag else ()),
        "</details>\n",
    ]
    return "\n".join(lines)


def _details(control: ControlVerdicts, everyone: Sequence[str]) -> str:
    statuses: tuple[FindingStatus, ...] = ("fail", "error", "warn")
    counts = ", ".join(f"{control.count(status)} {status}" for status in statuses if control.count(status))
    lines = [
        f"\n<details><summary>{control.impact}: {inert(control.control)}: {counts}</summary>\n",
        f"Title: {inert(control.title)}\n",
    ]
    if control.why:
        lines.append(f"Why: {inert(control.why)}\n")
    if remedy := pod_remedy(control):
        lines.append(f"Pods do not inherit it: {inert(remedy)}\n")
    lines += [_verdict(verdict, everyone) for verdict in control.verdicts]
    return "\n".join([*lines, "</details>\n"])


def _verdict(verdict: Verdict, everyone: Sequence[str]) -> str:
    text = f"{verdict.status} on {inert(name_hosts(verdict.hosts, everyone))}: {inert(verdict.reason)}\n"
    if verdict.settings:
        told = [states(state) for state in verdict.settings]
        rows = [
            [inert(state.key), *(inert(value) for _, value in row)]
            for state, row in zip(verdict.settings, told, strict=True)
        ]
        text += "\n" + table(["key", *(label for label, _ in told[0])], rows)
    listed = [
        f"{'  ' if note.kind == 'evidence' else ''}- {inert(note.label)}: {inert(note.text)}\n"
        for position in range(len(verdict.settings))
        for note in notes(verdict, position)
    ]
    return text + ("\n" + "".join(listed) if listed else "")


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are inert already."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def fill(head: str, parts: Iterable[str], left_out: str, limit: int) -> str:
    """Join as many parts as fit, and say how many did not."""
    room = limit - len(head) - len(left_out) - len("1000000")
    kept: list[str] = []
    rest = iter(parts)
    for part in rest:
        room -= len(part)
        if room < 0:
            return head + "".join(kept) + left_out.format(1 + sum(1 for _ in rest))
        kept.append(part)
    return head + "".join(kept)
