"""Results as text for a terminal or a pipe; who prints it passes ``soft_wrap=True``, so that no line is cut."""

from collections.abc import Mapping, Sequence

from rich.text import Text

from fleet.model.finding import Audit, Failure, FindingStatus, HostAudit
from fleet.report.details import render_details, render_pod_remedies, render_protection
from fleet.report.grouping import ControlVerdicts, by_control
from fleet.report.inventory_json import SelectedHost
from fleet.report.layout import columns, hanging, joined, shown
from fleet.report.marks import FINDING_MARKS, HOST_MARKS, IMPACT_STYLES
from fleet.report.pod_remedy import pod_remedy_groups
from fleet.report.protection import protection_groups
from fleet.report.status import NOTEWORTHY, finding_counts, host_counts, worst_finding, worst_first
from fleet.report.words import HOST_COUNT_WORDS, count_hosts


def render_audit(audit: Audit, *, verbosity: int, width: int | None) -> Text:
    """Tell an audit: one line a host, worst first; the controls with findings; a summary line.

    Without a terminal no line is cut, so that a pipe or file has the whole of every reason.

    Args:
        audit: what to tell.
        verbosity: 0 for the tables, 1 for every finding that did not pass with what stands behind it, 2 also for what
            passed and what was skipped. Hosts with the same outcome are told together.
        width: cells of the terminal; None never wraps, for pipes and files.
    """
    noteworthy = by_control(audit, NOTEWORTHY)
    hosts = worst_first(audit.hosts.values())
    unchecked = [_unchecked_row(host, host.error) for host in hosts if host.error is not None]
    checked = [_checked_row(host) for host in hosts if host.error is None]
    # What to do about an unchecked host stands only here, so it wraps; a reason stands in the details again.
    sections = [columns(unchecked, width=width) + columns(checked, width=width, one_line=True)]
    if noteworthy:
        sections.append(
            [
                Text("Controls with findings", style="bold"),
                *columns([_control_row(control) for control in noteworthy], width=width, indent=2),
            ]
        )
    if verbosity:
        everyone = [name for name, host in audit.hosts.items() if host.error is None]
        if groups := protection_groups(audit, everything=verbosity > 1):
            sections.append(render_protection(groups, everyone, width=width))
        others: tuple[FindingStatus, ...] = ("skip", "pass") if verbosity > 1 else ()
        controls = (*noteworthy, *(control for status in others for control in by_control(audit, {status})))
        # Controls of one kind, such as those of pods, share their reason for being: the first one tells it.
        first = {control.why: control for control in reversed(controls)}
        sections += [
            render_details(control, everyone, width=width, why=first[control.why] is control) for control in controls
        ]
        if remedies := pod_remedy_groups(audit):
            sections.append(render_pod_remedies(remedies, everyone, width=width))
    sections.append(hanging(Text(), render_summary(audit), width=width))
    return joined(line for number, lines in enumerate(sections) for line in ([Text()] if number else []) + lines)


def render_summary(audit: Audit) -> Text:
    """One line: how many hosts, and how many of each status."""
    parts = [
        Text(f"{count} {HOST_COUNT_WORDS[status]}", style=HOST_MARKS[status][1])
        for status, count in host_counts(audit).items()
        if count
    ]
    return Text.assemble((count_hosts(len(audit.hosts)), "bold"), ": ", Text(", ").join(parts))


def render_inventory(hosts: Sequence[SelectedHost], *, width: int | None) -> Text:
    """List the selected hosts: name, address, groups and why each was selected."""
    rows = [
        [shown(host.name, "bold"), shown(host.address), shown(", ".join(host.groups) or "-"), shown(host.why)]
        for host in hosts
    ]
    titles = [Text(title, style="dim") for title in ("host", "address", "groups", "selected by")]
    return joined([*columns([titles, *rows], width=width), Text(), Text(count_hosts(len(hosts)))])


def _unchecked_row(host: HostAudit, error: Failure) -> list[Text]:
    kind = "" if error.kind == host.status else f"{error.kind}: "
    return [*_head(host), Text.assemble(kind, shown(error.message))]


def _checked_row(host: HostAudit) -> list[Text]:
    counts = finding_counts(host.findings)
    worst = worst_finding(host)
    if worst is None:
        return [*_head(host), Text(f"{counts['pass']} pass"), Text(f"{counts['skip']} skip" if counts["skip"] else "")]
    reason = Text.assemble(shown(worst.control, IMPACT_STYLES[worst.impact]), ": ", shown(worst.reason))
    return [*_head(host), _tally(counts), reason]


def _head(host: HostAudit) -> list[Text]:
    mark, style = HOST_MARKS[host.status]
    return [Text(f"{mark} {host.status}", style=style), shown(host.name, "bold")]


def _control_row(control: ControlVerdicts) -> list[Text]:
    return [
        Text(control.impact, style=IMPACT_STYLES[control.impact]),
        shown(control.control, "bold"),
        _tally({status: control.count(status) for status in FINDING_MARKS}),
        shown(control.title),
    ]


def _tally(counts: Mapping[FindingStatus, int]) -> Text:
    return Text(", ").join(
        Text(f"{counts[status]} {status}", style=style)
        for status, (_, style) in FINDING_MARKS.items()
        if status in NOTEWORTHY and counts[status]
    )
