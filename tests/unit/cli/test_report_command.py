"""``fleet report`` from files to a page."""

import signal
from dataclasses import replace
from pathlib import Path

import pytest
from support.audits import audit_of, checked, sample_audit
from support.plans import plan_of
from support.proofs import proof
from support.runs import RUN, sample_run

from fleet.cli.main import main
from fleet.plan import NodePlan, save_plan
from fleet.report.audit_json import audit_json
from fleet.report.prove_json import proof_json
from fleet.report.run_json import run_json

EMPTY = NodePlan(changes=(), kept=(), refused=(), remedies=(), risks=(), preconditions=None)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    newer = replace(sample_audit(), run_id="newer", started="2026-11-21T12:00:00.000Z")
    (tmp_path / "audit.json").write_text("".join(audit_json(newer)))
    (tmp_path / "older.json").write_text("".join(audit_json(audit_of(checked("web-01", [])))))
    (tmp_path / "apply.json").write_text(run_json(sample_run()))
    (tmp_path / "proof.json").write_text(proof_json(proof()))
    save_plan(plan_of({"web-01": EMPTY}), tmp_path / "plan.json")
    return tmp_path


def report(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int | str | None, str, str]:
    try:
        with pytest.raises(SystemExit) as end:
            main(["report", *arguments])
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    out, error = capsys.readouterr()
    return end.value.code, out, error


def test_the_page_is_about_the_newest_audit_whatever_the_order_of_the_files(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for files in (("older.json", "apply.json", "plan.json", "audit.json"), ("audit.json", "plan.json", "older.json")):
        assert report(capsys, *files, "-o", "page.html") == (
            0,
            "",
            "14 hosts, as the run newer has seen them; written to page.html\n",
        )
        page = (folder / "page.html").read_text()
        assert "run <b>newer</b>" in page
        assert "Trend over 2 runs" in page
        assert "Plan 20261120T120000Z-5f2a01 of" in page
        assert (f"Apply {RUN} stopped" in page) == ("apply.json" in files)


def test_a_proof_alone_makes_the_evidence_for_a_ticket(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(capsys, "proof.json", "-o", "page.html") == (0, "", "1 proof; written to page.html\n")
    assert "all 2 cells as promised" in (folder / "page.html").read_text()


def test_a_proof_beside_an_audit_is_a_part_of_its_page(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = report(capsys, "proof.json", "audit.json", "-o", "page.html")
    assert (code, error.startswith("14 hosts, as the run newer has seen them")) == (0, True)
    assert 'id="proofs"' in (folder / "page.html").read_text()


def test_a_proof_and_a_plan_without_an_audit_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = report(capsys, "proof.json", "plan.json")
    assert code == 2
    assert "there is no audit among the files" in error


def test_without_a_file_the_page_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, error = report(capsys, "audit.json")
    assert (code, out[:15], error) == (0, "<!doctype html>", "")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "name one run of the history, or files; or use --latest"),
        (("--latest", "audit.json"), "name one run"),
        ((RUN, "audit.json"), "name one run"),
        ((RUN,), "there is no history .fleet/history.db: the first run makes it"),
        (("--latest", "--history", "none"), "there is no history to show with --history none"),
    ],
)
def test_runs_and_files_are_not_mixed_and_a_run_needs_a_history(
    arguments: tuple[str, ...], told: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, error = report(capsys, *arguments)
    assert (code, out, told in error) == (2, "", True), error
    assert not (folder / ".fleet").exists()


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("none.json", None, "none.json: no such file"),
        (".", None, ".: is not a regular file"),
        ("x.json", "", "x.json: is no result of fleet: the file: Invalid JSON"),
        ("x.json", "[]", "x.json: is no result of fleet"),
        ("x.json", '{"schema": "fleet.facts/1"}', "'fleet.audit/1', 'fleet.apply/1', 'fleet.plan/1'"),
        ("x.json", '{"schema": "fleet.audit/1", "run": {"id": 1}}', "run.id"),
        ("x.json", '{"schema": "a\x1b[31m"}', "x.json: is no result of fleet"),
        ("apply.json", None, "there is no audit among the files: make one with fleet audit"),
    ],
)
def test_what_is_no_result_is_refused_with_its_name_and_writes_nothing(
    name: str, text: str | None, told: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        (folder / name).write_text(text)
    code, out, error = report(capsys, name, "-o", "page.html")
    assert (code, out) == (2, "")
    assert told in error
    assert "\x1b" not in error
    assert not (folder / "page.html").exists()


def test_a_plan_that_was_changed_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = folder / "plan.json"
    plan.write_text(plan.read_text().replace("play.yaml", "evil.yaml"))
    code, _, error = report(capsys, "audit.json", "plan.json")
    assert (code, "its digest does not fit" in error) == (2, True)
