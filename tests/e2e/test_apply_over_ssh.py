"""``fleet apply`` on real nodes, as an operator runs it."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cli import fleet
from support.lab import running_lab, ssh
from support.rollouts import (
    FIN,
    KEEPALIVE,
    PLANNED,
    ended,
    files_of,
    interrupt,
    leftovers_of,
    on_a_terminal,
    read,
    result_of,
    save_plan,
    settings_of,
    started,
    wait_for_events,
    write_playbook,
)

from fleet import lab

pytestmark = pytest.mark.root

SLOW = "rollout: {serial: [1, 2], soak: 60s, confirm_within: 120s}\n"


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[lab.Lab]:
    with running_lab(tmp_path / "lab", 4, name="apply") as built:
        yield built


def names(built: lab.Lab) -> list[str]:
    return [node.name for node in built.nodes]


def state_of(built: lab.Lab) -> dict[str, tuple[dict[str, str], str]]:
    return {name: (settings_of(built, name), files_of(built, name)) for name in names(built)}


def inventory_with(built: lab.Lab, directory: Path, more: str) -> Path:
    directory.mkdir()
    for file in built.inventory.iterdir():
        (directory / file.name).write_text(file.read_text())
    with (directory / "hosts.yaml").open("a") as hosts:
        hosts.write(more)
    return directory


def test_a_plan_changes_what_it_says_and_nothing_else_and_a_second_apply_changes_nothing(tmp_path: Path) -> None:
    playbook = write_playbook(tmp_path, "rollout: {serial: [1, '50%'], gates: [verify]}\n")
    with running_lab(tmp_path / "lab", 12, name="apply") as built:
        before = state_of(built)
        plan = save_plan(built, playbook, tmp_path)
        first = fleet("apply", plan, "-i", built.inventory, "--yes", "-f", "json", cwd=tmp_path)
        assert first.returncode == 0, first.stderr
        data = result_of(first)
        assert data["run"]["status"] == "done"
        assert data["summary"]["changed"] == data["summary"]["hosts"] == 12
        assert [len(batch["hosts"]) for batch in data["batches"]] == [1, 6, 5]
        assert all(host["node"] == "after" and host["error"] is None for host in data["hosts"].values())
        after = state_of(built)
        for name in names(built):
            settings, files = after[name]
            changed = {key: value.strip() for key, value in settings.items() if value != before[name][0][key]}
            assert changed == PLANNED
            added = set(files.splitlines()) ^ set(before[name][1].splitlines())
            assert len(added) == 2, added
            assert all("fleet.conf" in line for line in added)
            assert leftovers_of(built, name) == ""
        second = fleet("apply", plan, "-i", built.inventory, "--yes", "-f", "json", cwd=tmp_path)
        assert second.returncode == 0, second.stderr
        again = result_of(second)
        assert again["summary"]["noop"] == 12
        assert {change["status"] for host in again["hosts"].values() for change in host["changes"]} == {"noop"}
        assert all(change["reason"] for host in again["hosts"].values() for change in host["changes"])
        assert state_of(built) == after
        assert fleet("plan", playbook, "-i", built.inventory, cwd=tmp_path).returncode == 0


def test_a_node_that_has_moved_is_left_alone_and_says_what_moved(nodes: lab.Lab, tmp_path: Path) -> None:
    playbook = write_playbook(tmp_path, "rollout: {max_fail_percentage: 50}\n")
    plan = save_plan(nodes, playbook, tmp_path)
    moved, *others = names(nodes)
    ssh(nodes, moved, "echo 33 > /proc/sys/net/ipv4/tcp_fin_timeout")
    before = files_of(nodes, moved)
    done = fleet("apply", plan, "-i", nodes.inventory, "--yes", "-f", "json", cwd=tmp_path)
    data = result_of(done)
    assert (done.returncode, data["hosts"][moved]["error"]["kind"]) == (1, "stale")
    assert FIN in data["hosts"][moved]["error"]["message"]
    assert "33" in data["hosts"][moved]["error"]["message"]
    assert (read(nodes, moved, FIN), files_of(nodes, moved)) == ("33", before)
    assert {data["hosts"][name]["status"] for name in others} == {"changed"}
    assert {read(nodes, name, FIN) for name in others} == {"47"}


def test_a_plan_that_was_tampered_with_is_refused_before_any_node_is_touched(nodes: lab.Lab, tmp_path: Path) -> None:
    plan = save_plan(nodes, write_playbook(tmp_path), tmp_path)
    before = state_of(nodes)
    plan.write_text(plan.read_text().replace('"after": "47"', '"after": "48"'))
    done = fleet("apply", plan, "-i", nodes.inventory, "--yes", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "was changed after it was made" in done.stderr
    assert state_of(nodes) == before


def test_a_playbook_that_changed_since_the_plan_is_no_gate_for_it(nodes: lab.Lab, tmp_path: Path) -> None:
    playbook = write_playbook(tmp_path, "rollout: {gates: [verify]}\n")
    plan = save_plan(nodes, playbook, tmp_path)
    playbook.write_text(playbook.read_text().replace("47", "48"))
    done = fleet("apply", plan, "-i", nodes.inventory, "--yes", cwd=tmp_path)
    assert done.returncode == 2
    assert "make a new plan" in done.stderr
    assert read(nodes, names(nodes)[0], FIN) != "47"


def test_a_host_that_cannot_be_reached_counts_as_failed(nodes: lab.Lab, tmp_path: Path) -> None:
    dead = inventory_with(nodes, tmp_path / "inventory", "closed: {hostname: 127.0.0.1, port: 1}\n")
    playbook = write_playbook(tmp_path, "rollout: {max_fail_percentage: 50}\n")
    done = fleet("apply", playbook, "-i", dead, "--yes", "-f", "json", cwd=tmp_path)
    data = result_of(done)
    assert done.returncode == 1
    assert data["hosts"]["closed"]["error"]["kind"] == "unreachable"
    assert data["summary"]["changed"] == 4


def test_a_limit_chooses_hosts_of_the_plan_and_a_wrong_one_is_refused(nodes: lab.Lab, tmp_path: Path) -> None:
    plan = save_plan(nodes, write_playbook(tmp_path), tmp_path)
    first, second, *_ = names(nodes)
    wrong = fleet("apply", plan, "-i", nodes.inventory, "--yes", "-l", f"{first},nope", cwd=tmp_path)
    assert (wrong.returncode, "'nope'" in wrong.stderr) == (2, True)
    one = fleet("apply", plan, "-i", nodes.inventory, "--yes", "-l", first, "-f", "json", cwd=tmp_path)
    assert list(result_of(one)["hosts"]) == [first]
    assert (read(nodes, first, FIN), read(nodes, second, FIN) == "47") == ("47", False)
    hosts = "other: {hostname: 127.0.0.1}\n"
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign/hosts.yaml").write_text(hosts)
    foreign = fleet("apply", plan, "-i", tmp_path / "foreign", "--yes", cwd=tmp_path)
    assert (foreign.returncode, first in foreign.stderr) == (2, True)


def test_a_failed_gate_takes_the_batch_back_and_leaves_earlier_ones(nodes: lab.Lab, tmp_path: Path) -> None:
    gate = "gates: [{command: {run: [sh, -c, 'test $FLEET_BATCH = 1']}}]"
    playbook = write_playbook(tmp_path, f"rollout: {{serial: [1, 2], {gate}}}\n")
    before = state_of(nodes)
    done = fleet("apply", playbook, "-i", nodes.inventory, "--yes", "-f", "json", cwd=tmp_path)
    data = result_of(done)
    assert (done.returncode, data["run"]["status"]) == (4, "undone"), done.stderr
    statuses = [host["status"] for host in data["hosts"].values()]
    assert statuses == ["changed", "undone", "undone", "not-reached"]
    after = state_of(nodes)
    assert [name for name in names(nodes) if after[name] != before[name]] == names(nodes)[:1]


def test_ctrl_c_once_takes_back_the_batch_and_says_so(nodes: lab.Lab, tmp_path: Path) -> None:
    before = state_of(nodes)
    playbook = write_playbook(tmp_path, SLOW)
    with started(
        "apply", playbook, "-i", nodes.inventory, "--yes", "-f", "json", "--state-dir", "state", cwd=tmp_path
    ) as process:
        # Told once after its change and once after its verification, which leaves the soak.
        wait_for_events(tmp_path / "state", 2, event="host")
        interrupt(process)
        code, out, error = ended(process)
    data = json.loads(out)
    assert (code, data["run"]["status"]) == (130, "interrupted")
    assert "stopping: " in error
    assert "Traceback" not in error
    assert {host["node"] for host in data["hosts"].values()} == {"before"}
    assert state_of(nodes) == before
    assert "".join(leftovers_of(nodes, name) for name in names(nodes)) == ""


def test_ctrl_c_twice_ends_at_once_and_the_run_can_be_taken_up_again(nodes: lab.Lab, tmp_path: Path) -> None:
    before = state_of(nodes)
    # The hook holds up the first stop: a host in flight is finished.
    hook = "before: [sh, -c, 'test -e go || exec sleep 60']"
    playbook = write_playbook(tmp_path, f"rollout: {{serial: 2, {hook}}}\n")
    with started("apply", playbook, "-i", nodes.inventory, "--yes", "--state-dir", "state", cwd=tmp_path) as process:
        wait_for_events(tmp_path / "state", 1, event="intent", phase="hook")
        interrupt(process)
        assert process.stderr is not None
        while "stopping: " not in process.stderr.readline():
            pass
        interrupt(process)
        code, out, error = ended(process)
    assert (code, out) == (130, "")
    [run] = (tmp_path / "state" / "runs").iterdir()
    assert f"undo themselves; ask them with: fleet apply --resume {run.name}\n" in error
    assert "Traceback" not in error
    assert state_of(nodes) == before
    (tmp_path / "go").touch()
    [run] = (tmp_path / "state/runs").iterdir()
    resumed = fleet(
        "apply",
        "--resume",
        run.name,
        "-i",
        nodes.inventory,
        "--yes",
        "-f",
        "json",
        "--state-dir",
        "state",
        cwd=tmp_path,
    )
    assert resumed.returncode == 0, resumed.stderr
    assert result_of(resumed)["summary"]["changed"] == 4
    again = fleet("apply", "--resume", run.name, "-i", nodes.inventory, "--yes", "--state-dir", "state", cwd=tmp_path)
    assert (again.returncode, "nothing to go on with" in again.stderr) == (2, True)


def test_a_killed_controller_leaves_a_run_that_another_one_finishes(nodes: lab.Lab, tmp_path: Path) -> None:
    playbook = write_playbook(tmp_path, SLOW.replace("60s", "4s"))
    with started("apply", playbook, "-i", nodes.inventory, "--yes", "--state-dir", "state", cwd=tmp_path) as process:
        wait_for_events(tmp_path / "state", 2, event="host")
        process.kill()
        ended(process)
    first = names(nodes)[0]
    assert read(nodes, first, FIN) == "47"
    listed = fleet("rollback", "--list", "--state-dir", "state", cwd=tmp_path).stdout
    assert "cut off" in listed
    [run] = (tmp_path / "state/runs").iterdir()
    resumed = fleet(
        "apply",
        "--resume",
        run.name,
        "-i",
        nodes.inventory,
        "--yes",
        "-f",
        "json",
        "--state-dir",
        "state",
        cwd=tmp_path,
    )
    data = result_of(resumed)
    assert (resumed.returncode, data["summary"]["changed"]) == (0, 4), resumed.stderr
    assert {host["node"] for host in data["hosts"].values()} == {"after"}
    assert "".join(leftovers_of(nodes, name) for name in names(nodes)) == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_sigterm_and_a_lost_terminal_stop_as_gently_as_ctrl_c(
    number: signal.Signals, nodes: lab.Lab, tmp_path: Path
) -> None:
    before = state_of(nodes)
    playbook = write_playbook(tmp_path, SLOW)
    with started("apply", playbook, "-i", nodes.inventory, "--yes", "--state-dir", "state", cwd=tmp_path) as process:
        wait_for_events(tmp_path / "state", 2, event="host")
        process.send_signal(number)
        code, out, _ = ended(process)
    assert code == 130
    assert "fleet apply --resume" in out
    assert state_of(nodes) == before


@pytest.mark.parametrize("form", ["table", "json"])
def test_the_result_is_the_same_with_and_without_a_terminal(form: str, nodes: lab.Lab, tmp_path: Path) -> None:
    playbook = write_playbook(tmp_path, "rollout: {serial: [1, 3]}\n")
    first, second, *_ = names(nodes)
    shown, out, terminal = on_a_terminal(
        "apply", playbook, "-i", nodes.inventory, "-l", first, "-f", form, cwd=tmp_path, answer="yes"
    )
    piped = fleet("apply", playbook, "-i", nodes.inventory, "-l", second, "-f", form, "--yes", cwd=tmp_path)
    assert (shown, piped.returncode) == (0, 0)
    assert "Apply this to 1 host? Type yes:" in terminal
    assert "\x1b[" in terminal
    assert "\x1b" not in piped.stderr + piped.stdout + out
    assert "batch 1 of 1: 1 host" in terminal
    assert f"batch 1 of 1: 1 host: {second}" in piped.stderr
    if form == "json":
        assert list(json.loads(out)["hosts"].values()) == list(json.loads(piped.stdout)["hosts"].values())
    else:
        lines = [text.splitlines() for text in (out.replace(first, second), piped.stdout)]
        assert lines[0][0] == lines[1][0]
        assert len(lines[0]) == len(lines[1])


def test_another_answer_than_yes_changes_nothing(nodes: lab.Lab, tmp_path: Path) -> None:
    before = state_of(nodes)
    code, out, terminal = on_a_terminal(
        "apply", write_playbook(tmp_path), "-i", nodes.inventory, cwd=tmp_path, answer="y"
    )
    assert (code, out) == (2, "")
    assert "nothing was changed" in terminal
    assert state_of(nodes) == before
    assert read(nodes, names(nodes)[0], KEEPALIVE) != "611"
