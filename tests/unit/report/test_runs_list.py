"""The list of runs."""

import json

import jsonschema
from support.runs import ROLLED_BACK, RUN, host_run, run_of, sample_run

from fleet.report.runs_json import runs_json
from fleet.report.runs_terminal import render_runs
from fleet.report.schema import schemas

BACK = run_of(host_run("a", status="undone"), run_id=ROLLED_BACK, kind="rollback", plan_run=RUN)


def told(*active: str) -> list[str]:
    runs = (BACK, run_of(host_run("a"), run_id="going", status="running"), sample_run())
    return render_runs(runs, active=active, width=None).plain.split("\n")


def test_a_run_is_one_line_with_what_it_was_and_how_it_ended() -> None:
    title, back, _, applied = told()
    assert title.split() == ["run", "started", "kind", "status", "playbook", "hosts"]
    assert f"rollback of {RUN}" in back
    assert back.endswith("1 undone")
    assert applied.startswith(f"{RUN}  2026-11-20T12:15:00.000Z  apply")
    assert "  undone  " in applied
    assert "2 unreachable, 2 failed, 3 undone, 1 not reached, 1 changed, 1 without changes" in applied


def test_a_run_whose_controller_died_is_cut_off_and_not_running() -> None:
    assert "cut off" in told()[2]
    assert "cut off" not in told("going")[2]


def test_the_json_holds_to_its_schema() -> None:
    data = json.loads(runs_json((BACK, sample_run()), active=(RUN,)))
    jsonschema.Draft202012Validator(schemas()["runs"]).validate(data)
    assert [entry["active"] for entry in data["runs"]] == [False, True]


def test_a_playbook_with_a_strange_name_steers_no_terminal() -> None:
    runs = (run_of(playbook="a\x1b[31m\nb", run_id="\x9b"),)
    assert all(line.isprintable() for line in render_runs(runs, active=(), width=None).plain.split("\n"))
    assert runs_json(runs, active=()).isascii()
