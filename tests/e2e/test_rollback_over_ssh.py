"""``fleet rollback`` on real nodes, as an operator runs it."""

import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from support.cli import fleet
from support.lab import running_lab, ssh
from support.rollouts import (
    FILE,
    FIN,
    files_of,
    leftovers_of,
    read,
    result_of,
    settings_of,
    write_playbook,
)

from fleet import lab
from fleet.report.schema import schemas

pytestmark = pytest.mark.root


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[lab.Lab]:
    with running_lab(tmp_path / "lab", 4, name="rollback") as built:
        yield built


def state_of(built: lab.Lab) -> dict[str, tuple[dict[str, str], str]]:
    return {node.name: (settings_of(built, node.name), files_of(built, node.name)) for node in built.nodes}


def applied(built: lab.Lab, cwd: Path) -> str:
    """Apply, and give the id of the run."""
    done = fleet("apply", write_playbook(cwd), "-i", built.inventory, "--yes", "-f", "json", cwd=cwd)
    assert done.returncode == 0, done.stderr
    run: str = result_of(done)["run"]["id"]
    return run


def test_bytes_modes_and_values_are_as_before_the_run(nodes: lab.Lab, tmp_path: Path) -> None:
    strange = nodes.nodes[1].name
    ssh(nodes, strange, f"echo '{FIN} = 5' > {FILE}; chmod 0640 {FILE}; chown 7:8 {FILE}; touch -d '2001-02-03' {FILE}")
    stamp = ssh(nodes, strange, f"stat -c '%y %a %u:%g' {FILE}").stdout
    before = state_of(nodes)
    run = applied(nodes, tmp_path)
    assert {read(nodes, node.name, FIN) for node in nodes.nodes} == {"47"}
    done = fleet("rollback", run, "-i", nodes.inventory, "--yes", "-f", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    data = result_of(done)
    assert (data["run"]["kind"], data["run"]["plan_run"], data["summary"]["undone"]) == ("rollback", run, 4)
    assert state_of(nodes) == before
    assert ssh(nodes, strange, f"stat -c '%y %a %u:%g' {FILE}").stdout == stamp
    assert "".join(leftovers_of(nodes, node.name) for node in nodes.nodes) == ""
    again = fleet("rollback", run, "-i", nodes.inventory, "--yes", "-f", "json", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert state_of(nodes) == before


def test_the_list_shows_runs_newest_first_with_how_they_ended(nodes: lab.Lab, tmp_path: Path) -> None:
    empty = fleet("rollback", "--list", cwd=tmp_path)
    assert (empty.returncode, "no run" in empty.stderr) == (0, True)
    run = applied(nodes, tmp_path)
    assert fleet("rollback", run, "-i", nodes.inventory, "--yes", "-o", "/dev/null", cwd=tmp_path).returncode == 0
    table = fleet("rollback", "--list", cwd=tmp_path).stdout.splitlines()
    assert f"rollback of {run}" in table[1]
    assert table[2].startswith(run)
    data = json.loads(fleet("rollback", "--list", "-f", "json", cwd=tmp_path).stdout)
    jsonschema.Draft202012Validator(schemas()["runs"]).validate(data)
    assert [entry["run"]["kind"] for entry in data["runs"]] == ["rollback", "apply"]


def test_a_limit_takes_back_some_hosts_only(nodes: lab.Lab, tmp_path: Path) -> None:
    run = applied(nodes, tmp_path)
    first = nodes.nodes[0].name
    done = fleet("rollback", run, "-i", nodes.inventory, "--yes", "-l", first, "-f", "json", cwd=tmp_path)
    assert (done.returncode, list(result_of(done)["hosts"])) == (0, [first])
    assert [read(nodes, node.name, FIN) == "47" for node in nodes.nodes] == [False, True, True, True]


def test_a_node_that_has_moved_since_is_refused_and_forced(nodes: lab.Lab, tmp_path: Path) -> None:
    before = state_of(nodes)
    run = applied(nodes, tmp_path)
    moved = nodes.nodes[2].name
    ssh(nodes, moved, "echo 33 > /proc/sys/net/ipv4/tcp_fin_timeout")
    done = fleet("rollback", run, "-i", nodes.inventory, "--yes", "-f", "json", cwd=tmp_path)
    data = result_of(done)
    assert done.returncode == 1
    assert data["hosts"][moved]["error"]["kind"] == "moved"
    assert FIN in data["hosts"][moved]["error"]["message"]
    assert read(nodes, moved, FIN) == "33"
    forced = fleet(
        "rollback", run, "-i", nodes.inventory, "--yes", "--force", "-l", moved, "-o", "/dev/null", cwd=tmp_path
    )
    assert forced.returncode == 0, forced.stderr
    assert state_of(nodes) == before


def test_usage(tmp_path: Path) -> None:
    for arguments, told in (
        ((), "--list"),
        (("--list", "x"), "--list"),
        (("none", "--yes"), "no run 'none'"),
        (("none",), "add --yes"),
    ):
        done = fleet("rollback", *arguments, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert told in done.stderr
