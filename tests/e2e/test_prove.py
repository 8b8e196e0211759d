"""``fleet prove`` as an operator runs it."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from support.cli import FLEET, fleet
from support.lab import running_lab, ssh

from fleet import lab
from fleet.prove import manifests
from fleet.report.schema import schemas

pytestmark = pytest.mark.root

ABOVE = ("prove", "-s", "above-window", "--runs", "3")
LIBERAL = "net.netfilter.nf_conntrack_tcp_be_liberal"
DROP_INVALID = "iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[lab.Lab, str]]:
    with running_lab(tmp_path_factory.mktemp("lab"), 1, name="prove") as built:
        yield built, built.nodes[0].name


def outcomes(text: str) -> dict[str, dict[str, int]]:
    """Of the one scenario, by fix."""
    data = json.loads(text)
    jsonschema.Draft202012Validator(schemas()["prove"]).validate(data)
    (scenario,) = data["scenarios"].values()
    return {
        fix: {name: count for name, count in cell["outcomes"].items() if count}
        for fix, cell in scenario["fixes"].items()
    }


def test_the_reset_is_red_before_and_green_after(tmp_path: Path) -> None:
    done = fleet(*ABOVE, "-f", "json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert outcomes(done.stdout) == {
        "before": {"reset": 3},
        "be-liberal": {"alive": 3},
        "invalid-rule": {"alive": 3},
        "hardened": {"alive": 3},
        "keepalive": {"reset": 3},
    }


def test_the_evidence_for_a_ticket_goes_to_a_file(tmp_path: Path) -> None:
    done = fleet(*ABOVE, "-f", "markdown", "-o", "evidence.md", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "all 5 cells as promised; written to evidence.md\n"
    assert "RST client pod to server pod 3" in (tmp_path / "evidence.md").read_text()


def test_a_playbook_that_does_not_cure_ends_with_three(tmp_path: Path) -> None:
    (tmp_path / "play.yaml").write_text("name: Other things\nprofiles: [tcp]\n")
    done = fleet("prove", "play.yaml", *ABOVE[1:], cwd=tmp_path)
    assert done.returncode == 3
    assert "! above-window, hardened: alive was promised, and reset is what this kernel did" in done.stdout


def test_an_unknown_scenario_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    done = fleet("prove", "-s", "above-windwo", cwd=tmp_path)
    assert done.returncode == 2
    assert "above-window" in done.stderr


def test_a_node_of_the_lab_lends_its_values_and_its_rule(node: tuple[lab.Lab, str], tmp_path: Path) -> None:
    built, name = node
    command = (*ABOVE, "--values-from", name, "-i", built.inventory, "-f", "json")
    assert ssh(built, name, f"sysctl -qw {LIBERAL}=0; iptables -F").returncode == 0
    assert outcomes(fleet(*command, cwd=tmp_path).stdout)["before"] == {"reset": 3}
    assert fleet(*command, "--cured", cwd=tmp_path).returncode == 3

    assert ssh(built, name, DROP_INVALID).returncode == 0
    ruled = fleet(*command, cwd=tmp_path)
    assert (ruled.returncode, json.loads(ruled.stdout)["node"]["invalid_rule"]) == (0, True), ruled.stderr
    assert outcomes(ruled.stdout)["before"] == {"alive": 3}

    assert ssh(built, name, f"iptables -F; sysctl -qw {LIBERAL}=1").returncode == 0
    liberal = fleet(*command, cwd=tmp_path)
    assert json.loads(liberal.stdout)["node"]["values"][LIBERAL] == "1"
    assert fleet(*command, "--cured", cwd=tmp_path).returncode == 0
    assert outcomes(liberal.stdout)["before"] == {"alive": 3}


def test_values_of_two_hosts_at_once_are_refused(node: tuple[lab.Lab, str], tmp_path: Path) -> None:
    built, name = node
    done = fleet(*ABOVE, "--values-from", f"not {name}", "-i", built.inventory, cwd=tmp_path)
    assert done.returncode == 2


def test_only_a_host_can_be_cured(tmp_path: Path) -> None:
    done = fleet(*ABOVE, "--cured", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "error: --cured is about a host: name it with --values-from or --on\n")


def test_a_node_of_the_lab_proves_it_on_its_own_kernel(node: tuple[lab.Lab, str], tmp_path: Path) -> None:
    built, name = node
    command = (*ABOVE, "--on", name, "-i", built.inventory, "-f", "json")
    assert ssh(built, name, f"sysctl -qw {LIBERAL}=0; iptables -F").returncode == 0
    bare = fleet(*command, cwd=tmp_path)
    assert (bare.returncode, bare.stderr) == (0, "")
    assert outcomes(bare.stdout) == {
        "before": {"reset": 3},
        "be-liberal": {"alive": 3},
        "invalid-rule": {"alive": 3},
        "hardened": {"alive": 3},
        "keepalive": {"reset": 3},
    }
    data = json.loads(bare.stdout)
    assert (data["run"]["on"], data["node"]["values_from"], data["run"]["as_root"]) == (name, name, True)
    refused = [cell["refused"] for cell in data["scenarios"]["above-window"]["fixes"].values()]
    assert refused == [{}] * 5
    assert fleet(*command, "--cured", cwd=tmp_path).returncode == 3

    assert ssh(built, name, f"sysctl -qw {LIBERAL}=1").returncode == 0
    assert fleet(*command, "--cured", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--values-from", "x"), "--on HOST takes the values of that host: leave out --values-from"),
        (("-s", "full-table"), "full-table takes memory and time of the whole machine, so not of a node: leave out"),
        (("-s", "eviction"), "eviction takes memory and time of the whole machine"),
    ],
)
def test_what_does_not_go_with_a_node_is_refused(options: tuple[str, ...], told: str, tmp_path: Path) -> None:
    done = fleet("prove", "--on", "x", *options, cwd=tmp_path)
    assert done.returncode == 2
    assert told in done.stderr


def test_manifests_go_to_stdout_or_to_a_file(tmp_path: Path) -> None:
    done = fleet("prove", "--kubernetes", cwd=tmp_path)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", manifests())
    done = fleet("prove", "--kubernetes", "--image", "python:3", "-o", "prove.yaml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "prove.yaml").read_text() == manifests("python:3")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("-s", "above-window"), "--kubernetes prints manifests and tries no node: leave out -s, --on and --values"),
        (("--image", "a b"), "'a b' is no image, such as docker.io/library/python:"),
    ],
)
def test_what_does_not_go_with_manifests_is_refused(options: tuple[str, ...], told: str, tmp_path: Path) -> None:
    done = fleet("prove", "--kubernetes", *options, cwd=tmp_path)
    assert done.returncode == 2
    assert told in done.stderr


@pytest.mark.parametrize("on", ["controller", "node"])
def test_a_rollout_goes_on_only_where_the_reset_is_gone(on: str, node: tuple[lab.Lab, str], tmp_path: Path) -> None:
    built, name = node
    options = ("-i", built.inventory, "-l", name, "--yes")
    rollout = f"rollout: {{gates: [{{prove: {{on: {on}}}}}]}}\n"
    assert ssh(built, name, f"sysctl -qw {LIBERAL}=0 net.ipv4.tcp_fin_timeout=60; iptables -F").returncode == 0

    (tmp_path / "other.yaml").write_text(f"name: Other things\nprofiles: [tcp]\n{rollout}")
    stopped = fleet("apply", "other.yaml", *options, cwd=tmp_path)
    assert stopped.returncode == 4, stopped.stdout + stopped.stderr
    assert f"{name}: a segment above the window: 5 reset of 5 connections" in stopped.stdout
    assert ssh(built, name, "cat /proc/sys/net/ipv4/tcp_fin_timeout").stdout == "60\n"

    (tmp_path / "cure.yaml").write_text(f"name: The cure\nprofiles: [conntrack]\n{rollout}")
    done = fleet("apply", "cure.yaml", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ssh(built, name, f"sysctl -n {LIBERAL}").stdout == "1\n", done.stdout + done.stderr


def test_ctrl_c_ends_it_at_once_and_leaves_no_process(tmp_path: Path) -> None:
    with subprocess.Popen(
        [FLEET, "prove", "-s", "timeout-server-first"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        inside = _programs(process.pid)
        os.kill(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 130
        assert said == b"error: interrupted\n"
    deadline = time.monotonic() + 30
    while left := [pid for pid in inside if Path("/proc", pid).exists()]:
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


def _programs(parent: int) -> list[str]:
    """The six cells of the proof, once they run."""
    deadline = time.monotonic() + 30
    while len(found := Path(f"/proc/{parent}/task/{parent}/children").read_text().split()) < 6:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found
