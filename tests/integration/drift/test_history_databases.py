"""A history in SQLite and in PostgreSQL: what goes in comes out, whoever is killed and whoever else writes."""

import json
import os
import signal
import subprocess
import sys
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import jsonschema
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from support.drift import START, Checks, audited, begin, facts, items, live, told, write_playbook
from support.postgres import Postgres

from fleet.drift import history as history_room
from fleet.drift.check import check
from fleet.drift.history.database import HEAD, new_engine, open_database
from fleet.drift.history.history import History, open_history, opened
from fleet.drift.history.location import HistoryLocation, history_location
from fleet.drift.history.tables import Base
from fleet.model.errors import FleetError, UsageError
from fleet.model.history import HistoryEnd, HistoryHost, HistoryWanted
from fleet.policy import load_playbook
from fleet.report.history_json import history_line, history_run_json
from fleet.report.schema import schemas
from fleet.runner.audit import iso

MIGRATIONS = Path(history_room.__file__).with_name("migrations")
HOSTILE = "\x00 \ud800 \x1b[31m '; DROP TABLE run; -- \u202e %s :x {}"
HOSTS = (
    HistoryHost(name="web-1", status="findings", findings=2),
    HistoryHost(name="web-2", status="unreachable", error="unreachable: no route"),
    HistoryHost(name="web-3", status="findings", findings=1, changes=4),
)
END = HistoryEnd(
    status="done", exit_code=3, finished=iso(START), hosts=HOSTS, parts={"result": '{"schema": "fleet.audit/1"}'}
)

# Begins runs as fleet does, and says so; then does as its last argument says.
WRITER = """
import sys
import zlib
from pathlib import Path
from support.drift import begin
from fleet.drift.history.history import open_history
from fleet.drift.history.location import history_location
from fleet.drift.history.process import own_process
from fleet.model.history import HistoryEnd, HistoryHost, HistoryWanted
import platform
url, name, then = sys.argv[1:]
history = open_history(history_location(url, Path(".")))
hosts = tuple(HistoryHost(name=f"web-{n}", status="ok") for n in range(50))
for number in range(5 if then == "end" else 1):
    run_id = f"{name}-{number}"
    history.runs.begin(begin(run_id, machine=platform.node(), process=own_process()))
    if then == "end":
        finished = "2026-11-20T12:00:01.000Z"
        end = HistoryEnd(status="done", exit_code=0, finished=finished, hosts=hosts, parts={"result": "{}"})
        history.runs.end(run_id, end)
print("begun", flush=True)
if then == "wait":
    sys.stdin.read()
"""


def writer(url: str, name: str, then: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, url, name, then],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )


def test_a_run_comes_out_as_it_went_in(history: History) -> None:
    start = begin("run-1", who=HOSTILE, directory="/home/änn", digest="sha256:1")
    history.runs.begin(start)
    history.runs.end("run-1", END)
    run = history.runs.run("run-1")
    assert replace(run.entry.begin, who="") == replace(start, who="")
    assert "\x00" not in run.entry.begin.who
    assert "DROP TABLE run" in run.entry.begin.who
    assert (run.entry.status, run.entry.exit_code, run.entry.finished) == ("done", 3, END.finished)
    assert (run.hosts, run.parts) == (HOSTS, END.parts)
    assert (run.entry.counts, run.entry.findings, run.entry.changes) == ({"findings": 2, "unreachable": 1}, 3, 4)
    told_as_json = json.loads(history_run_json(run))
    jsonschema.Draft202012Validator(schemas()["history"]).validate(told_as_json)
    assert told_as_json["runs"][0]["result"] == {"schema": "fleet.audit/1"}


def test_runs_are_listed_newest_first_by_kind_and_by_host(history: History) -> None:
    for number, kind in enumerate(("audit", "apply", "drift")):
        history.runs.begin(begin(f"run-{number}", kind=kind, started=iso(START + timedelta(hours=number))))
    history.runs.end("run-1", END)

    def ids(wanted: HistoryWanted) -> list[str]:
        return [entry.begin.run_id for entry in history.runs.entries(wanted)]

    assert ids(HistoryWanted()) == ["run-2", "run-1", "run-0"]
    assert ids(HistoryWanted(most=1)) == ["run-2"]
    assert ids(HistoryWanted(kinds=("audit", "drift"))) == ["run-2", "run-0"]
    assert ids(HistoryWanted(host="web-2")) == ["run-1"]
    assert ids(HistoryWanted(host="web-9")) == []
    assert history.runs.run("latest").entry.begin.run_id == "run-1"
    with pytest.raises(UsageError, match=r"no run 'x' in the history .* \(the last one is run-1\)"):
        history.runs.run("x")


def test_a_run_that_is_taken_up_again_stays_one_run(history: History) -> None:
    history.runs.begin(begin("run-1", who="ann"))
    history.runs.end("run-1", replace(END, status="interrupted", exit_code=130))
    history.runs.begin(begin("run-1", who="bob", started=iso(START + timedelta(hours=1))))
    [entry] = history.runs.entries(HistoryWanted())
    assert (entry.begin.who, entry.begin.started, entry.finished) == ("bob", iso(START), None)
    history.runs.end("run-1", END)
    assert history.runs.run("run-1").hosts == HOSTS


def test_old_runs_are_forgotten_with_all_they_had_and_drift_is_not(checks: Checks) -> None:
    runs = checks.history.runs
    checks.check(facts())
    for number in range(3):
        runs.begin(begin(f"run-{number}", started=iso(START + timedelta(days=number))))
        runs.end(f"run-{number}", END)
    assert runs.prune(iso(START + timedelta(days=2))) == 3
    assert [entry.begin.run_id for entry in runs.entries(HistoryWanted())] == ["run-2"]
    with checks.history.engine.begin() as connection:
        for table, left in (("run_host", 3), ("run_part", 1)):
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar() == left  # noqa: S608 ours
    runs.end("run-0", END)
    assert told(checks.check(live(facts(), fin="60"))) == [("drift", "fin")]


def test_an_export_has_every_run_on_a_line(history: History) -> None:
    for number in range(205):
        # Many begin at the same moment.
        history.runs.begin(begin(f"run-{number:03}", started=iso(START + timedelta(seconds=number // 100))))
    history.runs.end("run-007", END)
    lines = [json.loads(history_line(run)) for run in history.runs.oldest_first()]
    assert [line["id"] for line in lines] == [f"run-{number:03}" for number in range(205)]
    assert lines[7]["by_host"]["web-3"] == {"status": "findings", "error": "", "findings": 1, "changes": 4}


def test_a_killed_run_is_unfinished_and_one_that_goes_on_is_running(url: str, location: HistoryLocation) -> None:
    with writer(url, "killed", "wait") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        with opened(location) as history:
            [entry] = history.runs.entries(HistoryWanted())
            assert (entry.status, entry.finished) == ("running", None)
        process.send_signal(signal.SIGKILL)
    with opened(location) as history:
        [entry] = history.runs.entries(HistoryWanted())
        assert (entry.begin.run_id, entry.status, entry.exit_code) == ("killed-0", "unfinished", None)
        history.runs.begin(begin("after"))
        history.runs.end("after", END)
        assert history.runs.run("after").parts == END.parts


def test_a_history_survives_a_writer_that_is_killed_at_any_moment(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/history.db"
    location = history_location(url, tmp_path)
    assert location is not None
    for number in range(6):
        with writer(url, f"w{number}", "end") as process:
            try:
                process.communicate(timeout=0.25 + 0.12 * number)
            except subprocess.TimeoutExpired:
                process.kill()
        with opened(location) as history, history.engine.begin() as connection:
            assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
            assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
            whole = "SELECT count(*) FROM run WHERE status = 'done' AND id NOT IN (SELECT run FROM run_part)"
            assert connection.execute(text(whole)).scalar() == 0


def test_many_fleets_at_once_make_one_history(url: str, location: HistoryLocation) -> None:
    processes = [writer(url, f"fleet{number}", "end") for number in range(6)]
    for process in processes:
        assert process.communicate(timeout=120)[0] == "begun\n"
        assert process.returncode == 0
    with opened(location) as history:
        entries = history.runs.entries(HistoryWanted())
    assert len({entry.begin.run_id for entry in entries}) == 30
    assert {(entry.status, entry.counts["ok"]) for entry in entries} == {("done", 50)}


def test_a_file_that_many_make_at_once_opens_for_each(tmp_path: Path) -> None:
    def look(location: HistoryLocation, together: Barrier) -> None:
        together.wait(30)
        with new_engine(location).begin() as connection:
            assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"

    with ThreadPoolExecutor(6) as pool:
        for number in range(40):
            location = history_location(f"sqlite:///{tmp_path}/{number}.db", tmp_path)
            assert location is not None
            assert list(pool.map(look, [location] * 6, [Barrier(6)] * 6)) == [None] * 6
    assert {path.name for path in tmp_path.iterdir()} == {f"{number}.db" for number in range(40)}


def test_two_checks_at_once_open_an_item_once(location: HistoryLocation, tmp_path: Path) -> None:
    policy = load_playbook(write_playbook(tmp_path))
    nodes = {f"web-{number}": live(facts(), fin="60") for number in range(20)}

    def look(number: int) -> bool:
        with opened(location) as history:
            audit = audited(policy, nodes, START + timedelta(seconds=number), run_id=f"check-{number}")
            history.runs.begin(begin(audit.run_id))
            return check(audit, policy, history)[1]

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(look, range(6)))
    with opened(location) as history, history.engine.begin() as connection:
        counted = "SELECT count(*), count(DISTINCT host) FROM drift_item"
        assert tuple(connection.execute(text(counted)).one()) == (20, 20)


def upgrade(location: HistoryLocation, revision: str) -> None:
    """Make the tables as an older fleet did."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = new_engine(location)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


@pytest.mark.parametrize("revision", ["0001", "0002"])
def test_an_old_database_is_renewed_and_keeps_its_runs(
    location: HistoryLocation, tmp_path: Path, revision: str
) -> None:
    upgrade(location, revision)
    columns = "run_id, kind, status, who, machine, directory, process, playbook, digest, version, started, message"
    engine = new_engine(location)
    with engine.begin() as connection:
        words = ", ".join("'old'" for _ in columns.split(","))
        connection.execute(text(f"INSERT INTO run ({columns}, findings, changes) VALUES ({words}, 0, 0)"))  # noqa: S608 ours
        connection.execute(text("INSERT INTO run_host VALUES (1, 0, 'web-1', 'findings', '', 2, 0)"))
        packed = zlib.compress(b'{"schema": "fleet.audit/1"}')
        connection.execute(text("INSERT INTO run_document VALUES (1, :packed)"), {"packed": packed})
    engine.dispose()
    with opened(location) as history:
        old = history.runs.run("old")
        assert (old.entry.begin.who, old.hosts) == ("old", HOSTS[:1])
        assert old.parts == {"result": '{"schema": "fleet.audit/1"}'}
        checks = Checks(directory=tmp_path, history=history)
        assert told(checks.check(live(facts(), fin="60"))) == [("new-node", "fin")]


def test_a_database_of_a_newer_fleet_is_refused(location: HistoryLocation) -> None:
    open_history(location).close()
    engine = new_engine(location)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(FleetError, match="was made by a newer fleet"):
        open_database(location)


def test_the_migrations_end_with_the_version_that_is_used_without_alembic() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_the_migrations_make_the_tables_that_the_code_uses(location: HistoryLocation) -> None:
    upgrade(location, "head")
    engine = new_engine(location)
    with engine.begin() as connection:
        differences: Sequence[object] = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    engine.dispose()
    assert list(differences) == []


def test_a_new_file_has_the_tables_that_the_migrations_make(tmp_path: Path) -> None:
    shapes = []
    for name in ("new", "renewed"):
        location = history_location(f"sqlite:///{tmp_path / name}.db", tmp_path)
        assert location is not None
        if name == "renewed":
            upgrade(location, "head")
        with opened(location) as history, history.engine.begin() as connection:
            made = connection.execute(text("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL"))
            shapes.append({each.name: " ".join(each.sql.split()) for each in made})
    assert shapes[0] == shapes[1]
    assert {"run", "alembic_version", "drift_item_open"} <= shapes[0].keys()


@pytest.mark.parametrize("wrong", ["another%2Fs3cret", "%25x"])
def test_no_message_has_the_password(postgres: Postgres, tmp_path: Path, wrong: str) -> None:
    url = f"postgresql://fleet:{wrong}@127.0.0.1:{postgres.port}/fleet"
    location = history_location(url, tmp_path)
    assert location is not None
    with pytest.raises(FleetError) as refused:
        open_database(location)
    message = str(refused.value)
    assert "password authentication failed" in message
    assert f"postgresql://fleet@127.0.0.1:{postgres.port}/fleet" in message
    assert not any(word in message + repr(location) for word in (wrong, "another/s3cret", "%x"))


def test_a_server_that_is_not_there_is_an_error_in_one_line(tmp_path: Path) -> None:
    location = history_location("postgresql://fleet:pw-of-mine@127.0.0.1:1/fleet", tmp_path)
    assert location is not None
    with pytest.raises(FleetError) as refused:
        open_database(location)
    assert "refused" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "pw-of-mine" not in str(refused.value)


@pytest.fixture
def checks(history: History, tmp_path: Path) -> Checks:
    return Checks(directory=tmp_path, history=history)


def test_drift_lives_from_first_seen_to_closed(checks: Checks) -> None:
    checks.check(facts())
    opened_by = checks.check(live(facts(), fin="60"))
    [item] = items(checks.check(live(facts(), fin="60")))
    assert (item.deviation.kind, item.first_seen) == ("drift", opened_by.started)
    assert told(checks.check(facts()), "closed") == [("drift", "fin")]
    entry = checks.history.runs.entries(HistoryWanted(most=1))[0]
    assert (entry.begin.kind, entry.status, entry.exit_code, entry.counts) == ("drift", "done", 0, {"ok": 1})
