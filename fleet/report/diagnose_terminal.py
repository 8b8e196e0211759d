"""A diagnosis as text for a terminal or a pipe."""

from collections.abc import Iterable
from typing import Final

from rich.text import Text

from fleet.model.diagnosis import CauseVerdict, Diagnosis, Verdict
from fleet.report.diagnose_words import headline, place, told
from fleet.report.layout import hanging, joined, shown

_STYLES: Final[dict[Verdict, str]] = {
    "confirmed": "bold red",
    "likely": "red",
    "cannot tell": "yellow",
    "excluded": "dim",
}


def render_diagnosis(diagnosis: Diagnosis, *, verbosity: int, width: int | None) -> Text:
    """Tell each host's causes, the surest first, with the evidence and what to do.

    Args:
        diagnosis: what to tell.
        verbosity: from 1 on, also what is excluded, and why.
        width: cells of the terminal; None never wraps, for pipes and files.
    """
    lines: list[Text] = []
    for host in diagnosis.hosts.values():
        head = shown(host.name, "bold")
        if host.error is not None:
            lines += hanging(head.append(": "), shown(f"{host.error.kind}: {host.error.message}", "red"), width=width)
            continue
        named = [verdict for verdict in host.verdicts if verdict.is_named]
        summary = ", ".join(verdict.title for verdict in named) or "no cause is named"
        text = f"{summary} ({host.seconds:.0f} s between the readings)"
        lines += hanging(head.append(": "), shown(text), width=width)
        lines += _verdicts(told(host.verdicts, everything=verbosity > 0), width)
        for note in host.notes:
            lines += hanging(Text("  "), shown(note, "yellow"), width=width)
    for name, verdicts in diagnosis.offline.items():
        lines += hanging(Text(), shown(name, "bold"), width=width)
        lines += _verdicts(told(verdicts, everything=verbosity > 0), width)
    return joined([*lines, *hanging(Text(), shown(headline(diagnosis), "bold"), width=width)])


def _verdicts(verdicts: Iterable[CauseVerdict], width: int | None) -> list[Text]:
    lines = []
    for verdict in verdicts:
        head = Text("  ").append_text(shown(verdict.verdict, _STYLES[verdict.verdict])).append(" ")
        where = f" ({place(verdict)})" if verdict.is_named else ""
        lines += hanging(head, shown(f"{verdict.cause}: {verdict.title}{where}"), width=width)
        for line in verdict.evidence:
            lines += hanging(Text("    seen: "), shown(line), width=width)
        if verdict.remedy:
            lines += hanging(Text("    do:   "), shown(verdict.remedy), width=width)
    return lines
