"""A diagnosis as text, Markdown and JSON."""

import json

import jsonschema
import pytest

from fleet.model.diagnosis import CauseVerdict, Diagnosis, HostDiagnosis, Place, Verdict
from fleet.model.finding import Failure
from fleet.report.diagnose_json import diagnosis_json
from fleet.report.diagnose_markdown import diagnosis_markdown
from fleet.report.diagnose_terminal import render_diagnosis
from fleet.report.diagnose_words import exit_code, headline
from fleet.report.schema import schemas

ERROR = Failure(kind="unreachable", message="no route")


def cause(verdict: Verdict, name: str = "table-full", place: Place = "node", seen: str = "it is full") -> CauseVerdict:
    return CauseVerdict(
        cause=name,
        title="the table is full",
        verdict=verdict,
        place=place,
        evidence=(seen,),
        remedy="Make it larger." if verdict in ("confirmed", "likely") else "",
        sources=("https://docs.kernel.org/",),
    )


def diagnosis(*hosts: HostDiagnosis, **offline: tuple[CauseVerdict, ...]) -> Diagnosis:
    return Diagnosis(
        run_id="20261120T120000Z-abcdef",
        started="2026-11-20T12:00:00.000Z",
        finished="2026-11-20T12:00:09.000Z",
        version="0.1.0",
        hosts={host.name: host for host in hosts},
        offline=offline,
    )


SICK = HostDiagnosis(
    name="a", seconds=6.2, verdicts=(cause("excluded", "refused"), cause("confirmed")), notes=("a note",)
)
WELL = HostDiagnosis(name="b", seconds=6.2, verdicts=(cause("excluded"), cause("cannot tell", "unexplained")))
LOST = HostDiagnosis(name="c", error=ERROR)


@pytest.mark.parametrize(
    ("told", "code", "words"),
    [
        (diagnosis(WELL), 0, "1 host without"),
        (diagnosis(WELL, SICK), 3, "1 host with a cause, 1 host without"),
        (diagnosis(SICK, LOST), 1, "1 host with a cause, 1 host not read"),
        (diagnosis(log=(cause("likely"), cause("excluded"))), 3, "1 cause in log"),
        (diagnosis(log=(cause("cannot tell"),)), 0, "0 causes in log"),
    ],
)
def test_exit_code_and_headline(told: Diagnosis, code: int, words: str) -> None:
    assert (exit_code(told), headline(told)) == (code, words)


def test_terminal_tells_the_surest_first_and_leaves_out_what_is_excluded() -> None:
    assert render_diagnosis(diagnosis(SICK, WELL, LOST), verbosity=0, width=None).plain == (
        "a: the table is full (6 s between the readings)\n"
        "  confirmed table-full: the table is full (on the node)\n"
        "    seen: it is full\n"
        "    do:   Make it larger.\n"
        "  a note\n"
        "b: no cause is named (6 s between the readings)\n"
        "  cannot tell unexplained: the table is full\n"
        "    seen: it is full\n"
        "c: unreachable: no route\n"
        "1 host with a cause, 1 host not read, 1 host without"
    )
    assert "excluded refused" in render_diagnosis(diagnosis(SICK), verbosity=1, width=40).plain


def test_markdown_has_every_verdict_and_no_markup_of_others() -> None:
    text = diagnosis_markdown(diagnosis(SICK, LOST, file=(cause("likely", seen="<b>@you</b> | x"),)))
    assert "| confirmed | table-full: the table is full | it is full |" in text
    assert "| excluded | refused: the table is full | it is full |" in text
    assert "unreachable: no route" in text
    assert "<b>" not in text
    assert "@you" not in text


def test_markdown_that_is_too_long_is_cut_and_says_so() -> None:
    hosts = [HostDiagnosis(name=f"n{number}", seconds=6.0, verdicts=SICK.verdicts) for number in range(200)]
    text = diagnosis_markdown(diagnosis(*hosts), limit=6000)
    assert len(text) <= 6000
    assert "more parts are left out here" in text


def test_json_is_as_the_schema_says() -> None:
    data = json.loads(diagnosis_json(diagnosis(SICK, LOST, file=(cause("likely", seen="\udc80\x1b"),))))
    jsonschema.Draft202012Validator(schemas()["diagnose"]).validate(data)
    assert data["hosts"]["a"]["causes"]["table-full"]["verdict"] == "confirmed"
    assert data["hosts"]["c"]["error"] == {"kind": "unreachable", "message": "no route"}
