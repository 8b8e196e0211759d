"""``fleet plan`` on real nodes, as an operator runs it: it tells, saves, and touches nothing."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from support.cli import fleet
from support.lab import running_lab, ssh

from fleet import lab
from fleet.plan import load_plan
from fleet.report.schema import schemas

pytestmark = pytest.mark.root

PLAYBOOK = "name: Plan on a lab\nprofiles: [conntrack, tcp]\n"
TREES = "/etc /usr/lib/sysctl.d /run /var/lib"


@pytest.fixture(scope="module")
def twelve_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lab.Lab]:
    with running_lab(tmp_path_factory.mktemp("lab"), 12, name="plan") as built:
        yield built


@pytest.fixture
def playbook(tmp_path: Path) -> Path:
    path = tmp_path / "play.yaml"
    path.write_text(PLAYBOOK)
    return path


def state_of(built: lab.Lab) -> dict[str, list[str]]:
    """Each node's files, with their modes, times and hashes, and its network settings."""
    read = (
        f"find {TREES} -xdev -printf '%p %y %m %s %T@ %l\\n' 2>/dev/null | sort;"
        f" find {TREES} -xdev -type f -exec sha256sum {{}} + 2>/dev/null;"
        " grep -r . /proc/sys/net/ipv4/tcp_* 2>/dev/null; cat /proc/sys/net/netfilter/nf_conntrack_tcp_*"
    )
    states = {}
    for node in built.nodes:
        done = ssh(built, node.name, read)
        assert len(done.stdout) > 1000, done.stderr
        states[node.name] = done.stdout.splitlines()
    return states


def test_a_plan_tells_each_diff_once_saves_itself_and_touches_nothing(
    twelve_nodes: lab.Lab, playbook: Path, tmp_path: Path
) -> None:
    before = state_of(twelve_nodes)
    done = fleet(
        "plan", playbook, "-i", twelve_nodes.inventory, "-f", "json", "--out", tmp_path / "plan.json", cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (3, f"the plan is saved in {tmp_path / 'plan.json'}\n")
    assert state_of(twelve_nodes) == before
    data = json.loads(done.stdout)
    jsonschema.Draft202012Validator(schemas()["plan"]).validate(data)
    assert data["summary"] == {"hosts": 12, "changes": 12, "none": 0, "refused": 0, "failed": 0, "unreachable": 0}
    assert (tmp_path / "plan.json").read_text() == done.stdout
    assert stat.S_IMODE((tmp_path / "plan.json").stat().st_mode) == 0o600
    plan = load_plan(tmp_path / "plan.json")
    assert set(plan.hosts) == {node.name for node in twelve_nodes.nodes}


def test_table_and_markdown_group_the_nodes_that_share_a_diff(
    twelve_nodes: lab.Lab, playbook: Path, tmp_path: Path
) -> None:
    table = fleet("plan", playbook, "-i", twelve_nodes.inventory, cwd=tmp_path).stdout
    assert table.count("  7200 -> 600") == 1
    assert "sysctl net.ipv4.tcp_keepalive_time: 12 hosts, same diff" in table
    markdown = fleet("plan", playbook, "-i", twelve_nodes.inventory, "-f", "markdown", cwd=tmp_path).stdout
    assert markdown.count("7200 -&gt; 600") + markdown.count("7200 -> 600") == 1
    assert "12 hosts: same diff</summary>" in markdown


def test_a_host_that_cannot_be_read_is_exit_1_and_does_not_hold_up_the_others(
    twelve_nodes: lab.Lab, playbook: Path, tmp_path: Path
) -> None:
    inventory = tmp_path / "inventory"
    inventory.mkdir()
    for file in twelve_nodes.inventory.iterdir():
        (inventory / file.name).write_text(file.read_text())
    with (inventory / "hosts.yaml").open("a") as hosts:
        hosts.write("closed: {hostname: 127.0.0.1, port: 1}\n")
    done = fleet("plan", playbook, "-i", inventory, "-f", "json", cwd=tmp_path)
    assert done.returncode == 1
    data = json.loads(done.stdout)
    assert data["hosts"]["closed"]["error"]["kind"] == "unreachable"
    assert data["summary"]["changes"] == 12


def test_where_nothing_is_to_be_done_the_exit_code_is_0(twelve_nodes: lab.Lab, tmp_path: Path) -> None:
    (tmp_path / "done.yaml").write_text(
        "name: Nothing to do\ncontrols:\n"
        "  - {id: fin, title: t, impact: low, why: w, setting: {sysctl: net.ipv4.tcp_fin_timeout},"
        " expect: {at_least: 5}, set: 60}\n"
    )
    done = fleet("plan", tmp_path / "done.yaml", "-i", twelve_nodes.inventory, cwd=tmp_path)
    assert (done.returncode, "12 without changes" in done.stdout) == (0, True), done.stdout
