"""A diagnosis as Markdown, for a ticket."""

from collections.abc import Iterable, Iterator

from fleet.model.diagnosis import CauseVerdict, Diagnosis
from fleet.report.diagnose_words import headline, place, told
from fleet.report.markdown import LONGEST, fill, inert, table


def diagnosis_markdown(diagnosis: Diagnosis, *, limit: int = LONGEST) -> str:
    """The text of ``fleet diagnose -f markdown``: a row for each host, then the evidence.

    Args:
        diagnosis: what to tell.
        limit: most characters of the result, 6,000 or more; what does not fit is left out from the end.
    """
    text = (
        f"## Diagnosis of connection resets: {inert(headline(diagnosis))}\n\n"
        f"Run {inert(diagnosis.run_id)}, finished {inert(diagnosis.finished)}, fleet {inert(diagnosis.version)}.\n"
    )
    left_out = "\n{} more parts are left out here: the JSON has them all.\n"
    return text + fill("", _parts(diagnosis), left_out, limit - len(text))


def _parts(diagnosis: Diagnosis) -> Iterator[str]:
    for host in diagnosis.hosts.values():
        if host.error is not None:
            yield f"\n### {inert(host.name)}\n\n{host.error.kind}: {inert(host.error.message)}\n"
            continue
        notes = "".join(f"\n{inert(note)}\n" for note in host.notes)
        yield (
            f"\n### {inert(host.name)}\n\nTwo readings, {host.seconds:.0f} s apart.\n{notes}\n{_rows(host.verdicts)}"
            f"{_remedies(host.verdicts)}"
        )
    for name, verdicts in diagnosis.offline.items():
        yield f"\n### {inert(name)}\n\n{_rows(verdicts)}{_remedies(verdicts)}"


def _rows(verdicts: Iterable[CauseVerdict]) -> str:
    rows = (
        [verdict.verdict, f"{inert(verdict.cause)}: {inert(verdict.title)}", "<br>".join(map(inert, verdict.evidence))]
        for verdict in told(verdicts, everything=True)
    )
    return table(["verdict", "cause", "evidence"], rows)


def _remedies(verdicts: Iterable[CauseVerdict]) -> str:
    named = [verdict for verdict in told(verdicts, everything=False) if verdict.is_named]
    lines = "".join(f"- {inert(verdict.cause)}, {place(verdict)}: {inert(verdict.remedy)}\n" for verdict in named)
    return f"\n{lines}" if lines else ""
