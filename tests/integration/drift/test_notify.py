"""Telling others of drift: the targets' file, and real servers that are well, down, or hostile."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from support.cli import fleet
from support.drift import PLAYBOOK, Checks, checks_in, facts, write_playbook
from support.http_server import Answer, Server, in_turn, says, self_signed, serving
from support.prometheus import samples

from fleet.drift.notify.send import PAUSES, Message, Untold, tell
from fleet.drift.notify.targets import load_targets
from fleet.model.drift import DriftReport
from fleet.model.errors import UsageError
from fleet.model.notify import NotifyTarget
from fleet.report.notify import notification
from fleet.report.schema import schemas

NAME = "Hold a fleet"
FIN = "net.ipv4.tcp_fin_timeout"
SECRET = "T0PSECRET-hook"
DOWN = says(b"later", status="503 Service Unavailable")
OK = says(b"ok")


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def checks(tmp_path: Path) -> Iterator[Checks]:
    with checks_in(tmp_path) as made:
        made.check(facts(), **{"web-2": facts()})
        yield made


def target(tmp_path: Path, url: str, kind: str = "json", **more: object) -> NotifyTarget:
    path = tmp_path / "notify.yaml"
    path.write_text(json.dumps({"targets": {"ops": {"kind": kind, "url": f"{url}/{SECRET}", **more}}}))
    path.chmod(0o600)
    [loaded] = load_targets(path, ["ops"], {})
    return loaded


def told(
    tmp_path: Path, report: DriftReport, whom: NotifyTarget, pauses: list[float] | None = None
) -> tuple[Untold, ...]:
    waited = [] if pauses is None else pauses
    message = Message(target=whom, body=notification(report, NAME, whom))
    return tell([message], report.run_id, state_dir=tmp_path / "state", wait=waited.append)


def bodies(server: Server) -> list[Any]:
    return [json.loads(body) for body in server.bodies]


def drifted(checks: Checks) -> DriftReport:
    return checks.check(facts({FIN: "99"}), **{"web-2": facts()})


def test_webhook_is_told_of_what_is_opened_and_closed_and_of_nothing_else(checks: Checks, tmp_path: Path) -> None:
    with serving(OK) as server:
        whom = target(tmp_path, server.url)
        for node in (facts(), facts({FIN: "99"}), facts({FIN: "99"}), facts({FIN: "98"}), facts(), facts()):
            assert told(tmp_path, checks.check(node, **{"web-2": facts()}), whom) == ()
    opened, closed = bodies(server)
    for document in (opened, closed):
        jsonschema.Draft202012Validator(schemas()["notification"]).validate(document)
    assert [(item["host"], item["name"], item["value"]) for item in opened["opened"]] == [("web-1", "fin", "99")]
    assert (opened["playbook"], opened["closed"], opened["summary"]["drift"]) == (NAME, [], 1)
    assert [(item["host"], item["state"]) for item in closed["closed"]] == [("web-1", "closed")]
    assert closed["opened"] == []
    assert server.requests[0].startswith(f"POST /{SECRET} HTTP/1.1\r\n")
    assert "\r\nContent-Type: application/json\r\n" in server.requests[0]


def test_slack_and_mattermost_get_text_that_calls_nobody_and_leaves_no_block(checks: Checks, tmp_path: Path) -> None:
    hostile = "30 ``` <!channel> @all <https://x|click> & *b*"
    report = checks.check(facts({FIN: hostile}))
    with serving(OK) as server:
        for kind in ("slack", "mattermost"):
            assert told(tmp_path, report, target(tmp_path, server.url, kind)) == ()
    slack, mattermost = (document["text"] for document in bodies(server))
    assert slack.startswith("fleet drift, Hold a fleet: 1 host: 1 with drift; 1 open, 1 of them new\n```\nOpen\n")
    for text in (slack, mattermost):
        assert (text.count("```"), text.endswith("\n```"), "@all" in text) == (2, True, False)
        assert "fin" in text
    assert ("<" in slack, "&lt;!channel&gt;" in slack) == (False, True)
    assert "<!channel>" in mattermost


def test_message_of_a_thousand_items_is_short(checks: Checks, tmp_path: Path) -> None:
    many = {f"n-{number}": facts({FIN: str(1000 + number)}) for number in range(500)}
    report = checks.check(**many)
    body = notification(report, NAME, target(tmp_path, "https://chat.example", "slack"))
    assert body is not None
    text = json.loads(body)["text"]
    assert len(text) < 12_000
    assert f"lines more: fleet history show {report.run_id}" in text


def test_alertmanager_is_told_at_each_check_what_is_open_under_labels_that_stay(checks: Checks, tmp_path: Path) -> None:
    with serving(OK) as server:
        whom = target(tmp_path, server.url, "alertmanager", hold_hours=30)
        for node in (facts(), facts({FIN: "99"}), facts({FIN: "98"}), facts(), facts()):
            assert told(tmp_path, checks.check(node), whom) == ()
    [first], [second], [last] = bodies(server)
    assert first["labels"] == second["labels"] == last["labels"]
    assert first["labels"] == {
        "alertname": "FleetDrift",
        "playbook": NAME,
        "host": "web-1",
        "about": "control",
        "name": "fin",
        "severity": "high",
    }
    assert first["startsAt"] == "2026-11-20T14:00:00.000Z" == second["startsAt"] == last["startsAt"]
    assert first["endsAt"] == "2026-11-21T20:00:01+00:00"
    assert last["endsAt"] == "2026-11-20T16:00:00.000Z"
    assert server.requests[0].startswith(f"POST /{SECRET}/api/v2/alerts HTTP/1.1\r\n")


@pytest.mark.parametrize("status", ["500 Oops", "503 Down", "429 Slow down"])
def test_what_may_pass_is_tried_again_with_growing_pauses(checks: Checks, tmp_path: Path, status: str) -> None:
    pauses: list[float] = []
    with serving(in_turn(says(b"", status=status), says(b"", status=status), OK)) as server:
        assert told(tmp_path, drifted(checks), target(tmp_path, server.url), pauses) == ()
    assert (len(server.requests), pauses) == (3, [1.0, 2.0])


def test_refused_connection_is_tried_again_and_then_told_without_the_url(checks: Checks, tmp_path: Path) -> None:
    with serving(OK) as server:
        pass
    pauses: list[float] = []
    [untold] = told(tmp_path, drifted(checks), target(tmp_path, server.url), pauses)
    kept = tmp_path / "state" / "unsent" / "ops"
    assert untold.problem == f"no connection: Connection refused, 5 times; kept for the next check in {kept}"
    assert pauses == [*PAUSES]


@pytest.mark.parametrize(
    "answer",
    [
        says(f"no such hook /{SECRET}".encode(), status="404 Not Found"),
        says(b"", status="302 Found", headers=f"Location: http://x/{SECRET}\r\n"),
        says(b"", status="401 Unauthorized"),
    ],
)
def test_what_will_not_pass_is_tried_once_and_no_secret_is_told(checks: Checks, tmp_path: Path, answer: Answer) -> None:
    pauses: list[float] = []
    with serving(answer) as server:
        [untold] = told(tmp_path, drifted(checks), target(tmp_path, server.url), pauses)
    assert (len(server.requests), pauses) == (1, [])
    assert "see whether its URL is still the right one" in untold.problem
    assert SECRET not in untold.problem


def test_what_could_not_be_sent_is_sent_by_the_next_check_in_its_order(checks: Checks, tmp_path: Path) -> None:
    with serving(in_turn(*[DOWN] * 10, OK)) as server:
        whom = target(tmp_path, server.url)
        [_] = told(tmp_path, drifted(checks), whom)
        [_] = told(tmp_path, checks.check(facts(), **{"web-2": facts()}), whom)
        assert len(server.requests) == 10
        assert told(tmp_path, checks.check(facts(), **{"web-2": facts()}), whom) == ()
    assert [[item["host"] for item in each["opened"]] for each in bodies(server)[10:]] == [["web-1"], []]
    assert [*(tmp_path / "state" / "unsent" / "ops").iterdir()] == []
    kept = (tmp_path / "state").rglob("*")
    assert not any(SECRET.encode() in path.read_bytes() for path in kept if path.is_file())


def test_user_of_a_url_becomes_a_header_over_tls(
    checks: Checks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path / "server.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serving(OK, certificate=certificate) as server:
        whom = target(tmp_path, server.url.replace("//", "//me:p%40w@"), "alertmanager")
        assert told(tmp_path, drifted(checks), whom) == ()
    assert "\r\nAuthorization: Basic bWU6cEB3\r\n" in server.requests[0]
    assert "me:" not in server.requests[0]


REFUSED = {
    "kind: slack": "give either url, or url_env",
    "kind: slack, url: http://chat.example/SECRET": "in the clear: use https",
    "kind: slack, url: 'https://chat.example/SEC RET'": "has no blanks",
    "kind: slack, url: ftp://chat.example/SECRET": "begins with https://",
    "kind: json, url: 'https://:1/SECRET'": "names no server",
    "kind: json, url: 'https://x:SECRET/'": "not one that fleet can use",
    "kind: alertmanager, url: 'http://me:SECRET@alerts.example'": "in the clear: use https",
    "kind: json, url_env: HOOK": "the variable HOOK is not set",
    "kind: teams, url: https://x.example/SECRET": "must be",
}


@pytest.mark.parametrize("target", REFUSED)
def test_target_that_cannot_be_used_is_refused_with_its_place_and_without_its_secret(
    tmp_path: Path, target: str
) -> None:
    path = tmp_path / "notify.yaml"
    path.write_text(f"targets:\n  ops: {{{target}}}\n")
    path.chmod(0o600)
    with pytest.raises(UsageError) as refusal:
        load_targets(path, ["ops"], {})
    assert REFUSED[target] in str(refusal.value)
    assert str(refusal.value).startswith(f"{path}:2:")
    assert "SEC" not in str(refusal.value)


def test_file_with_urls_that_others_may_read_is_refused_and_one_without_is_not(tmp_path: Path) -> None:
    path = tmp_path / "notify.yaml"
    path.write_text("targets:\n  a: {kind: json, url: https://x.example/s}\n  b: {kind: json, url_env: HOOK}\n")
    path.chmod(0o644)
    with pytest.raises(UsageError, match=r"others may read the secrets in it.*chmod 600"):
        load_targets(path, ["a"], {})
    [loaded] = load_targets(path, ["b"], {"HOOK": "https://y.example/s"})
    assert loaded.url.reveal() == "https://y.example/s"
    assert "https" not in repr(loaded)
    with pytest.raises(UsageError, match=r"no notification target 'c' in .*it has: a, b"):
        load_targets(path, ["c"], {})


def test_check_whose_target_cannot_be_told_ends_with_1_and_the_next_one_tells_it(tmp_path: Path) -> None:
    text = PLAYBOOK.replace("at_least: 15, at_most: 40", "equals: 61").replace("set: 30\n", "set: 61\n")
    write_playbook(tmp_path, text)
    file = tmp_path / "notify.yaml"
    file.write_text("targets:\n  ops: {kind: json, url_env: HOOK}\n")
    arguments = ("drift", "hold.yaml", "--local", "--notify", "ops", "--metrics", "fleet.prom", "-f", "json")
    with serving(in_turn(says(b"", status="404 Gone"), OK)) as server:
        environment = {"HOOK": f"{server.url}/{SECRET}"}
        first = fleet(*arguments, cwd=tmp_path, env=environment)
        assert first.returncode == 1, first.stderr
        [kept] = (tmp_path / ".fleet" / "unsent" / "ops").iterdir()
        second = fleet(*arguments, cwd=tmp_path, env=environment)
    assert (second.returncode, second.stderr) == (3, "")
    assert first.stderr.startswith("error: ops could not be told: the server answered 404")
    assert not kept.exists()
    sent, again = bodies(server)
    assert sent == again
    assert sent["run"] == json.loads(first.stdout)["run"]
    assert ("control", "fin") in {(item["about"], item["name"]) for item in sent["opened"]}
    runs = json.loads(fleet("history", "-f", "json", cwd=tmp_path).stdout)["runs"]
    assert [(run["exit_code"], run["status"]) for run in runs] == [(3, "done"), (1, "done")]
    shown = json.loads(fleet("history", "show", runs[1]["id"], "-f", "json", cwd=tmp_path).stdout)
    assert shown["runs"][0]["result"] == json.loads(first.stdout)
    found = samples((tmp_path / "fleet.prom").read_text())
    assert found["fleet_drift_hosts", (("playbook", NAME), ("status", "drift"))] == 1
    everything = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(SECRET.encode() in content for content in everything)
    assert SECRET not in first.stdout + first.stderr
