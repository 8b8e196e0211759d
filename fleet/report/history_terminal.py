"""The history as text for a terminal or a pipe."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from rich.text import Text

from fleet.model.history import HistoryEntry, HistoryHost, HistoryRun
from fleet.report.grouping import fold_names, in_order
from fleet.report.layout import columns, joined, shown
from fleet.report.words import count_hosts

_WORDS = {"findings": "with findings", "drift": "with drift", "changes": "to change", "none": "without changes"}
_TITLES = ("run", "started", "kind", "status", "exit", "who", "playbook", "outcome")


def render_history(entries: Iterable[HistoryEntry], *, width: int | None) -> Text:
    """List runs, one line each.

    Args:
        entries: in the order in which they are told.
        width: cells of the terminal; None never wraps.
    """
    titles = [Text(title, style="dim") for title in _TITLES]
    return joined(columns([titles, *map(_row, entries)], width=width))


def render_history_run(run: HistoryRun, *, width: int | None) -> Text:
    """Tell one run: what it was, how it ended, and what became of its hosts."""
    entry = run.entry
    begin = entry.begin
    end = f"{entry.finished}, after {_seconds(entry)}" if entry.finished else "no end was recorded"
    rows = [
        ("kind", begin.kind),
        ("status", entry.status),
        ("who", f"{begin.who}@{begin.machine}, in {begin.directory}"),
        ("playbook", f"{begin.playbook or 'none'}, {begin.digest or 'digest not known'}"),
        ("started", begin.started),
        ("finished", end),
        ("version", f"fleet {begin.version}"),
        *([("error", entry.message)] if entry.message else []),
        ("outcome", _outcome(entry)),
    ]
    lines = [
        shown(begin.run_id, "bold"),
        *columns([[Text(f"  {name}"), shown(text)] for name, text in rows], width=width),
    ]
    if run.hosts:
        groups = [[shown(f"  {status}"), shown(names), shown(what)] for status, names, what in _groups(run.hosts)]
        lines += [Text(), Text("Hosts", style="bold"), *columns(groups, width=width)]
    return joined(lines)


def _row(entry: HistoryEntry) -> list[Text]:
    begin = entry.begin
    code = "" if entry.exit_code is None else str(entry.exit_code)
    who = f"{begin.who}@{begin.machine}"
    cells = (begin.started, begin.kind, entry.status, code, who, begin.playbook, _outcome(entry))
    return [shown(begin.run_id, "bold"), *map(shown, cells)]


def _outcome(entry: HistoryEntry) -> str:
    parts = [f"{count} {_WORDS.get(status, status)}" for status, count in entry.counts.items()]
    if entry.findings:
        parts.append(_number(entry.findings, "finding"))
    if entry.changes:
        parts.append(_number(entry.changes, "change"))
    hosts = f"{count_hosts(sum(entry.counts.values()))}: " if entry.counts else ""
    return hosts + ", ".join(parts) if parts else "-"


def _groups(hosts: Sequence[HistoryHost]) -> Iterable[tuple[str, str, str]]:
    """Hosts that came to the same."""
    found: dict[tuple[str, str], list[str]] = {}
    for host in hosts:
        counts = ((host.findings, "finding"), (host.changes, "change"))
        what = ", ".join(
            [_number(count, word) for count, word in counts if count] + ([host.error] if host.error else [])
        )
        found.setdefault((host.status, what), []).append(host.name)
    for (status, what), names in found.items():
        yield status, fold_names(in_order(names)), what


def _seconds(entry: HistoryEntry) -> str:
    took = datetime.fromisoformat(entry.finished or "") - datetime.fromisoformat(entry.begin.started)
    return f"{took.total_seconds():.1f} s"


def _number(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
