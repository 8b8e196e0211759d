"""``fleet drift`` on real nodes, as an operator runs it: after an apply, behind one's back, and after a rollback."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from support.cli import FLEET, fleet
from support.lab import running_lab, ssh
from support.rollouts import FILE, FIN, journal_of, started, wait_for_events, write_playbook

from fleet import lab
from fleet.drift.check import check
from fleet.drift.history.history import opened
from fleet.drift.history.location import history_location
from fleet.model.drift import DriftReport
from fleet.policy import load_playbook
from fleet.report.drift_status import drift_exit_code
from fleet.report.schema import schemas
from fleet.runner.audit import audit
from fleet.runner.fleet import Fleet
from fleet.runner.inventory import FleetInventory
from fleet.transport import SshTransport

pytestmark = pytest.mark.root

CHECKS = int(os.environ.get("FLEET_DRIFT_CHECKS", "100"))
"""A thousand take minutes; in the unit tests a thousand go over facts."""


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[lab.Lab]:
    with running_lab(tmp_path / "lab", 3, name="drift") as built:
        yield built


def drift(nodes: lab.Lab, cwd: Path, code: int, *more: str | Path) -> Any:  # noqa: ANN401 JSON
    done = fleet("drift", "play.yaml", "-i", nodes.inventory, "-f", "json", *more, cwd=cwd)
    assert (done.returncode, done.stderr) == (code, "")
    data = json.loads(done.stdout)
    jsonschema.Draft202012Validator(schemas()["drift"]).validate(data)
    return data


def page_about(cwd: Path, *arguments: str) -> str:
    done = fleet("report", *arguments, "-o", "page.html", cwd=cwd)
    assert (done.returncode, "3 hosts, as the run " in done.stderr) == (0, True), done.stderr
    return (cwd / "page.html").read_text()


def told(data: Any, node: str, state: str = "open") -> list[tuple[str, str]]:  # noqa: ANN401 JSON
    return [(item["kind"], item["name"]) for item in data["hosts"][node]["items"] if item["state"] == state]


def test_drift_from_apply_to_rollback(nodes: lab.Lab, tmp_path: Path) -> None:
    first, second, third = (node.name for node in nodes.nodes)
    write_playbook(tmp_path)
    new = drift(nodes, tmp_path, 3)
    assert told(new, first) == [("new-node", "fin"), ("new-node", "alive")]
    done = fleet("apply", "play.yaml", "-i", nodes.inventory, "--yes", "-f", "json", cwd=tmp_path)
    assert (done.returncode, "warning" in done.stderr) == (0, False), done.stderr
    run = json.loads(done.stdout)["run"]["id"]
    good = drift(nodes, tmp_path, 0)
    assert (told(good, first), told(good, first, "closed"), told(good, first, "noted")) == (
        [],
        [("new-node", "fin"), ("new-node", "alive")],
        [],
    )
    ssh(nodes, first, "echo 33 > /proc/sys/net/ipv4/tcp_fin_timeout")
    ssh(nodes, second, f"echo '{FIN} = 5' >> {FILE}")
    ssh(nodes, third, f"rm {FILE}")
    moved = drift(nodes, tmp_path, 3)
    assert told(moved, first) == [("drift", "fin")]
    assert set(told(moved, second)) == {("drift", "fin"), ("drift", FILE)}
    assert set(told(moved, third)) == {("drift", "fin"), ("drift", "alive"), ("drift", FILE)}
    [item] = moved["hosts"][first]["items"]
    assert (item["value"], item["was"], item["first_seen"]) == ("33", "47", moved["run"]["started"])
    again = drift(nodes, tmp_path, 3)
    [item] = again["hosts"][first]["items"]
    assert (item["first_seen"], item["last_seen"]) == (moved["run"]["started"], again["run"]["started"])
    assert again["summary"]["new"] == 0
    table = fleet("drift", "play.yaml", "-i", nodes.inventory, cwd=tmp_path)
    assert f"since {moved['run']['started']}" in table.stdout
    assert f"{FILE} is gone, that the run {run} has written" in table.stdout
    assert table.stdout.endswith("; nothing has changed since the last check\n")
    for arguments, about in ((("--latest",), None), ((run,), good)):
        page = page_about(tmp_path, *arguments)
        for said in (
            f"run <b>{about['run']['id']}</b>" if about else f"since {moved['run']['started']}",
            f"Apply {run} went through",
            "Trend over ",
            f'<span class="added">+{FIN} = 47</span>',
        ):
            assert said in page, (arguments, said)
    fleet("rollback", run, "-i", nodes.inventory, "--yes", "--force", "-o", "/dev/null", cwd=tmp_path)
    back = drift(nodes, tmp_path, 3)
    assert all(kind_name[1] != FILE for node in nodes.nodes for kind_name in told(back, node.name))
    history = fleet("history", cwd=tmp_path).stdout.splitlines()
    assert [line.split()[2] for line in history[1:]] == ["drift", "rollback", *["drift"] * 4, "apply", "drift"]


def test_an_apply_that_is_killed_is_unfinished_and_then_resumed_as_the_same_run(nodes: lab.Lab, tmp_path: Path) -> None:
    write_playbook(tmp_path, "rollout: {soak: 30s}\n")
    with started("apply", "play.yaml", "-i", nodes.inventory, "--yes", cwd=tmp_path) as process:
        wait_for_events(tmp_path / ".fleet", 3, event="host")
        run = journal_of(tmp_path / ".fleet")[0]["run_id"]
        [entry] = json.loads(fleet("history", "-f", "json", cwd=tmp_path).stdout)["runs"]
        assert (entry["id"], entry["status"]) == (run, "running")
        process.kill()
    [entry] = json.loads(fleet("history", "-f", "json", cwd=tmp_path).stdout)["runs"]
    assert (entry["status"], entry["finished"], entry["exit_code"]) == ("unfinished", None, None)
    fleet("apply", "--resume", run, "-i", nodes.inventory, "--yes", "-o", "/dev/null", cwd=tmp_path)
    [entry] = json.loads(fleet("history", "-f", "json", cwd=tmp_path).stdout)["runs"]
    assert (entry["id"], entry["finished"] is None) == (run, False)


def test_a_full_disk_under_the_history_leaves_the_result(nodes: lab.Lab, tmp_path: Path) -> None:
    write_playbook(tmp_path)
    full = tmp_path / "full"
    full.mkdir()
    script = (
        "mount -t tmpfs -o size=256k none full && "
        f"{FLEET} audit play.yaml -i '{nodes.inventory}' --state-dir full -o first.json -f json; "
        "head -c 1M /dev/zero > full/filler 2>/dev/null; "
        "for what in audit drift; do "
        f"{FLEET} $what play.yaml -i '{nodes.inventory}' --state-dir full -f json > $what.json; echo $? >&2; "
        "done; rm full/filler; "
        f"{FLEET} history --state-dir full -f json > history.json"
    )
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script], cwd=tmp_path, capture_output=True, check=True, text=True, timeout=300
    )
    assert done.stderr.count("warning: this run is not in the history: the history full/history.db: ") == 2, done.stderr
    assert [line for line in done.stderr.splitlines() if line.isdecimal()] == ["3", "3"]
    for what in ("audit", "drift"):
        data = json.loads((tmp_path / f"{what}.json").read_text())
        jsonschema.Draft202012Validator(schemas()[what]).validate(data)
        assert len(data["hosts"]) == 3
    told_runs = json.loads((tmp_path / "history.json").read_text())["runs"]
    assert told_runs[-1]["status"] == "done"


def test_many_checks_of_an_unchanged_lab_never_alarm(nodes: lab.Lab, tmp_path: Path) -> None:
    playbook = tmp_path / "all.yaml"
    playbook.write_text("name: All of it\nprofiles: [conntrack, tcp, ports, kubelet]\n")
    policy = load_playbook(playbook)
    inventory = FleetInventory(str(nodes.inventory)).load()
    location = history_location(None, tmp_path)
    assert location is not None
    reports: list[DriftReport] = []
    with opened(location) as history, Fleet(inventory, SshTransport(), keep_open=True) as hosts:
        for _ in range(CHECKS):
            seen = audit(hosts, policy, hosts=list(inventory.hosts), playbook="all.yaml")
            report, is_remembered = check(seen, policy, history)
            assert is_remembered
            reports.append(report)
    first, *others = reports
    known = {(item.host, item.deviation.name) for host in first.hosts.values() for item in host.items}
    for report in others:
        items = [item for host in report.hosts.values() for item in host.items]
        assert {item.state for item in items} <= {"open"}, [item for item in items if item.state != "open"]
        assert {item.deviation.kind for item in items} <= {"new-node"}
        assert {(item.host, item.deviation.name) for item in items} <= known
        assert {item.first_seen for item in items} <= {first.started}
    assert {drift_exit_code(report) for report in reports} == {drift_exit_code(first)}
