"""The details of an audit for a terminal or a pipe: each thing told once, for all hosts that share it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from fleet.report.explain import Note, notes, pod_remedy, states
from fleet.report.grouping import ControlVerdicts, Verdict, name_hosts
from fleet.report.layout import GAP, NARROWEST_WRAP, columns, hanging, shown
from fleet.report.marks import FINDING_MARKS, IMPACT_STYLES
from fleet.report.pod_remedy import (
    POD_REMEDY_TITLE,
    PodRemedyGroup,
    kubelet_flag,
    security_context,
    where_it_belongs,
)
from fleet.report.protection import PROTECTION_TITLE, ProtectionGroup, by_guards
from fleet.report.status import NOTEWORTHY
from fleet.report.words import MOMENTS

_INDENT: Final = 6
_NOTE_STYLES: Final = {"boot": "", "writer": "", "evidence": "dim", "remedy": "bold"}


def render_details(
    control: ControlVerdicts, everyone: Sequence[str], *, width: int | None, why: bool = True
) -> list[Text]:
    """One control: why it is there, and each outcome with the states behind it and the hosts that share it.

    Args:
        control: its outcomes.
        everyone: all hosts whose answer was judged.
        width: cells of the terminal; None never wraps.
        why: whether to tell why it is there.
    """
    head = Text.assemble(shown(control.control, "bold"), "  ", (control.impact, IMPACT_STYLES[control.impact]), "  ")
    lines = hanging(head, shown(control.title), width=width)
    judged = [verdict for verdict in control.verdicts if verdict.status != "skip"]
    if why and control.why and any(verdict.status in NOTEWORTHY for verdict in judged):
        lines += hanging(Text("  "), shown(control.why, "dim"), width=width)
    keys = {state.key for verdict in judged for state in verdict.settings}
    if len(keys) == 1 and not keys & {*control.title.split()}:
        lines += hanging(Text("  "), shown(*keys), width=width)
    if judged and (remedy := pod_remedy(control)):
        lines += hanging(Text("  pods do not inherit it: ", style="dim"), shown(remedy, "dim"), width=width)
    widths = _state_widths(judged)
    for verdict in control.verdicts:
        mark, style = FINDING_MARKS[verdict.status]
        start = Text.assemble("  ", (f"{mark} {verdict.status}", style), "  ")
        lines += hanging(start, shown(verdict.reason), width=width)
        if len(everyone) > 1:
            lines += hanging(Text(f"{' ' * _INDENT}on ", style="dim"), _hosts(verdict.hosts, everyone), width=width)
        if verdict.status != "skip":
            lines += _settings(verdict, widths, width, named=len(keys) > 1)
    return lines


def render_protection(groups: Sequence[ProtectionGroup], everyone: Sequence[str], *, width: int | None) -> list[Text]:
    """What protects nodes of Kubernetes at each moment, a line for all that are alike."""
    titles = [Text(title, style="dim") for title in (*MOMENTS.values(), "hosts")]
    rows = [[*map(_guard, guards), _hosts(hosts, everyone)] for guards, hosts in by_guards(groups)]
    head = Text(PROTECTION_TITLE, style="bold")
    lines = [head, *columns([titles, *rows], width=width, indent=2)]
    reasons = [
        [_first(group.hosts), Text.assemble((f"{moments}: ", "dim"), shown(reason))]
        for group in groups
        for moments, reason in group.reasons
    ]
    lines += columns(reasons, width=width, indent=2)
    return lines


def render_pod_remedies(groups: Sequence[PodRemedyGroup], everyone: Sequence[str], *, width: int | None) -> list[Text]:
    """What to paste into the specification of pods, for all hosts that are alike, in lines that never wrap."""
    lines = [Text(POD_REMEDY_TITLE, style="bold")]
    lines += hanging(Text("  "), Text(where_it_belongs(groups), style="dim"), width=width)
    for group in groups:
        if len(everyone) > 1:
            lines += hanging(Text("  on ", style="dim"), _hosts(group.hosts, everyone), width=width)
        lines += [Text(f"{' ' * _INDENT}{line}") for line in security_context(group.remedy)]
        if flag := kubelet_flag(group.remedy):
            lines += [Text("  with the kubelet's flag", style="dim"), Text(f"{' ' * _INDENT}{flag}")]
    return lines


def _guard(guard: str) -> Text:
    return shown(guard, {"unprotected": "red", "unknown": "yellow"}.get(guard, "green"))


def _hosts(names: Sequence[str], everyone: Sequence[str]) -> Text:
    """All their names, however many, with runs of numbers folded."""
    return Text(name_hosts([*map(_name, names)], [*map(_name, everyone)]))


def _first(names: Sequence[str]) -> Text:
    others = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return shown(f"{names[0]}{others}", "dim")


def _name(host: str) -> str:
    return shown(host).plain


def _settings(verdict: Verdict, widths: Sequence[int], width: int | None, *, named: bool) -> list[Text]:
    lines: list[Text] = []
    for position, state in enumerate(verdict.settings):
        if named:
            lines += hanging(Text(" " * _INDENT), shown(state.key), width=width)
        lines += _states(states(state), widths, width)
        lines += columns([*_note_rows(notes(verdict, position))], width=width, indent=_INDENT)
    return lines


def _note_rows(told: Iterable[Note]) -> Iterator[list[Text]]:
    before = ""
    for note in told:
        label = "" if note.label == before or note.kind == "evidence" else note.label
        before = note.label
        yield [shown(label, "dim"), shown(note.text, _NOTE_STYLES[note.kind])]


def _states(told: Sequence[tuple[str, str]], widths: Sequence[int], width: int | None) -> list[Text]:
    """The states side by side, below those of the other outcomes; one below the other where they do not fit."""
    cells = [_state(label, value) for label, value in told]
    beside = _INDENT + sum(widths[:-1]) + GAP * (len(widths) - 1)
    if width is not None and beside + min(widths[-1], NARROWEST_WRAP) > width:
        rows = [[Text(label, style="dim"), shown(value)] for label, value in told]
        return columns(rows, width=width, indent=_INDENT)
    for cell, wide in zip(cells[:-1], widths, strict=False):
        cell.append(" " * (wide - cell_len(cell.plain)))
    return columns([cells], width=width, indent=_INDENT)


def _state(label: str, value: str) -> Text:
    return Text.assemble((f"{label} ", "dim"), shown(value))


def _state_widths(verdicts: Iterable[Verdict]) -> list[int]:
    rows = [
        [cell_len(_state(label, value).plain) for label, value in states(state)]
        for verdict in verdicts
        for state in verdict.settings
    ]
    return [max(column) for column in zip(*rows, strict=True)]
