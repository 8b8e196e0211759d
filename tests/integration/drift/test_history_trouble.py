"""Whatever is wrong with the history: a run tells its result, and says in one line why it will not be remembered."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from support.cli import FLEET, fleet
from support.postgres import Postgres

PASSWORD = "s3cret-of-ours"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with an inventory of a host that refuses, and with a history of one run."""
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory/hosts.yaml").write_text("web-1: {hostname: 127.0.0.1, port: 1}\n")
    return tmp_path


def check_told(project: Path, url: str, *reasons: str) -> None:
    """The audit stands and warns; who asks for the history gets an error; nobody sees the password."""
    audit = fleet("audit", "conntrack-only", "-f", "json", "--history", url, cwd=project)
    history = fleet("history", "--history", url, cwd=project)
    assert (audit.returncode, json.loads(audit.stdout)["summary"]["unreachable"]) == (1, 1)
    for done, beginning in (
        (audit, "warning: this run is not in the history: the history "),
        (history, "error: the history "),
    ):
        assert done.stderr.startswith(beginning), done.stderr
        assert done.stderr.count("\n") == 1
        assert all(reason in done.stderr for reason in reasons), done.stderr
        assert PASSWORD not in done.stderr
    assert (history.returncode, history.stdout) == (1, "")


def test_a_database_that_was_cut_off(project: Path) -> None:
    fleet("audit", "conntrack-only", "-o", "told", cwd=project)
    database = project / ".fleet/history.db"
    database.write_bytes(database.read_bytes()[:20_000])
    check_told(project, f"sqlite:///{database}", "malformed; move it away, and the next run makes a new one")


def test_a_server_that_is_not_there(project: Path) -> None:
    url = f"postgresql://ann:{PASSWORD}@127.0.0.1:1/fleet"
    check_told(project, url, "postgresql://ann@127.0.0.1:1/fleet: ", "Connection refused")


def test_a_server_that_does_not_accept_the_password(project: Path, postgres: Postgres) -> None:
    url = f"postgresql://fleet:{PASSWORD}@127.0.0.1:{postgres.port}/fleet"
    check_told(project, url, f"postgresql://fleet@127.0.0.1:{postgres.port}/fleet: ", "password authentication failed")


@pytest.mark.root
def test_a_state_directory_that_is_read_only(project: Path) -> None:
    fleet("audit", "conntrack-only", "-o", "told", cwd=project)
    shutil.copytree(project / ".fleet", project / "kept")
    (project / ".fleet-ro").mkdir()
    script = (
        "mount -t tmpfs -o size=8m none .fleet-ro && cp kept/history.db .fleet-ro && mount -o remount,ro .fleet-ro && "
        f"{FLEET} audit conntrack-only -f json --state-dir .fleet-ro > audit.json; echo $? >&2; "
        f"{FLEET} drift conntrack-only -f json --state-dir .fleet-ro > drift.json; echo $? >&2; "
        f"{FLEET} history --state-dir .fleet-ro; echo $? >&2"
    )
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script], cwd=project, capture_output=True, check=True, text=True, timeout=120
    )
    why = "the history .fleet-ro/history.db: it is read-only; --state-dir or --history names another place"
    warning = f"warning: this run is not in the history: {why}"
    assert done.stderr.splitlines() == [warning, "1", warning, "1", f"error: {why}", "1"]
    for command in ("audit", "drift"):
        assert json.loads((project / f"{command}.json").read_text())["summary"]["unreachable"] == 1
