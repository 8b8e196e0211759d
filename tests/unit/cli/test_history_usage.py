"""``fleet history`` and the recording of commands, without a node."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from support.cli import fleet

from fleet.report.schema import schemas

LATE = ("sqlalchemy", "alembic", "psycopg")


def modules_after(*arguments: str, cwd: Path) -> set[str]:
    """What a command has loaded by its end."""
    program = (
        "import sys\nfrom fleet.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    return set(done.stderr.splitlines()[-1].split())


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory/hosts.yaml").write_text("web-1: {hostname: 127.0.0.1, port: 1}\n")
    return tmp_path


def runs(cwd: Path, *arguments: str) -> Any:  # noqa: ANN401 JSON
    done = fleet("history", *arguments, "-f", "json", cwd=cwd)
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    jsonschema.Draft202012Validator(schemas()["history"]).validate(data)
    return data["runs"]


@pytest.mark.parametrize("arguments", [("--version",), ("--help",), ("schema",), ("inventory",)])
def test_what_is_not_recorded_loads_no_database(project: Path, arguments: tuple[str, ...]) -> None:
    assert not modules_after(*arguments, cwd=project) & set(LATE)


def test_a_run_without_history_loads_none_and_leaves_nothing(project: Path) -> None:
    assert not modules_after("audit", "conntrack-only", "--history", "none", cwd=project) & set(LATE)
    assert not (project / ".fleet").exists()


def test_a_file_is_made_and_then_used_without_alembic(project: Path) -> None:
    for _ in range(2):
        loaded = modules_after("audit", "conntrack-only", cwd=project)
        assert "sqlalchemy" in loaded
        assert not loaded & {"alembic", "mako", "psycopg"}
    assert len(runs(project)) == 2


def test_every_run_is_told_with_who_from_where_and_how_it_ended(project: Path) -> None:
    for command in (("audit", "conntrack-only"), ("plan", "conntrack-only"), ("drift", "conntrack-only")):
        done = fleet(*command, "-o", "told", cwd=project)
        assert done.returncode == 1, done.stderr
        assert "warning" not in done.stderr
    told = runs(project)
    assert [(run["kind"], run["status"], run["exit_code"]) for run in told] == [
        ("drift", "done", 1),
        ("plan", "done", 1),
        ("audit", "done", 1),
    ]
    for run in told:
        assert (run["directory"], run["playbook"], run["hosts"]) == (str(project), "conntrack-only", {"unreachable": 1})
        assert run["playbook_digest"].startswith("sha256:")
    [whole] = runs(project, "show", told[2]["id"])
    assert whole["result"]["schema"] == "fleet.audit/1"
    assert whole["result"]["run"]["id"] == whole["id"]
    assert "refused the connection" in whole["by_host"]["web-1"]["error"].lower()
    table = fleet("history", "show", "latest", cwd=project).stdout
    assert "unreachable  web-1" in table
    assert "drift" in table


def test_a_run_that_fails_is_recorded_with_why(project: Path) -> None:
    done = fleet("verify", "conntrack-only", "--tests", "inventory", "-o", "told", cwd=project)
    assert done.returncode in {1, 2}
    [run] = runs(project)
    assert (run["kind"], run["status"], run["exit_code"] == done.returncode) == (
        "verify",
        "failed" if run["message"] else "done",
        True,
    )


def test_usage_errors_are_not_recorded(project: Path) -> None:
    for arguments in (
        ("audit", "none"),
        ("audit", "conntrack-only", "-l", "wbe"),
        ("drift", "conntrack-only", "--history", "none"),
        ("drift", "conntrack-only", "--history", "mysql://x/y"),
        ("history", "--prune", "soon"),
        ("history", "--history", "none"),
        ("history",),
        ("history", "show", "x"),
        ("history", "--prune", "1d", "--export", "x"),
    ):
        done = fleet(*arguments, cwd=project)
        assert (done.returncode, done.stdout) == (2, ""), arguments
    assert not (project / ".fleet").exists()


def test_a_history_that_cannot_be_written_is_a_warning_and_the_result_stands(project: Path) -> None:
    (project / "blocked").write_text("no directory")
    url = "sqlite:///blocked/history.db"
    for command in ("audit", "drift"):
        done = fleet(command, "conntrack-only", "-f", "json", "--history", url, cwd=project)
        assert done.returncode == 1
        assert json.loads(done.stdout)["schema"] == f"fleet.{command}/1"
        assert "warning: this run is not in the history: the history blocked/history.db: " in done.stderr


def test_a_file_that_is_no_database_is_a_warning(project: Path) -> None:
    (project / ".fleet").mkdir()
    (project / ".fleet/history.db").write_text("no database " * 100)
    done = fleet("audit", "conntrack-only", cwd=project)
    assert "not a database" in done.stderr
    assert (project / ".fleet/history.db").read_text().startswith("no database")
    shown = fleet("history", cwd=project)
    assert (shown.returncode, "not a database" in shown.stderr, "Traceback" in shown.stderr) == (1, True, False)


def test_export_and_prune(project: Path) -> None:
    for _ in range(2):
        fleet("audit", "conntrack-only", "-o", "told", cwd=project)
    done = fleet("history", "--export", "all.jsonl", cwd=project)
    assert (done.returncode, done.stdout, "2 runs written to all.jsonl" in done.stderr) == (0, "", True)
    lines = [json.loads(line) for line in (project / "all.jsonl").read_text().splitlines()]
    assert [line["result"]["schema"] for line in lines] == ["fleet.audit/1"] * 2
    assert "forgotten: 0 runs" in fleet("history", "--prune", "1h", cwd=project).stderr
    assert "forgotten: 2 runs" in fleet("history", "--prune", "0h", cwd=project).stderr
    assert "no run in the history" in fleet("history", cwd=project).stderr


def test_the_history_is_for_its_owner_only(project: Path) -> None:
    fleet("audit", "conntrack-only", "-o", "told", cwd=project)
    assert oct((project / ".fleet").stat().st_mode & 0o777) == "0o700"
    assert oct((project / ".fleet/history.db").stat().st_mode & 0o777) == "0o600"
