"""``--runner processes`` over a real sshd: as with threads, also when it is interrupted or its processes die."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cli import FLEET, fleet
from support.sshd import Sshd, start_sshd

HOSTS = 12


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with start_sshd(tmp_path_factory.mktemp("node")) as sshd:
        yield sshd


@pytest.fixture
def work(tmp_path: Path, node: Sshd) -> Path:
    node.inventory(tmp_path, {f"n{number}": {} for number in range(HOSTS)})
    return tmp_path


def shards_of(pid: int) -> list[int]:
    """The processes that visit hosts for a command."""
    found = []
    for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            command = Path(f"/proc/{each}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if b"spawn_main" in command:
            found.append(int(each))
    assert found
    return found


@pytest.fixture
def hanging(work: Path) -> Iterator["subprocess.Popen[str]"]:
    """An audit of nodes that accept a connection and then say nothing."""
    hosts = {f"n{number}": {"hostname": "127.0.0.1"} for number in range(HOSTS)}
    (work / "inventory" / "hosts.yaml").write_text(json.dumps(hosts))
    with socket.create_server(("127.0.0.1", 0), backlog=HOSTS) as silent:
        defaults = {
            "port": silent.getsockname()[1],
            "connection_options": {"fleet": {"extras": {"ssh_config": "none"}}},
        }
        (work / "inventory" / "defaults.yaml").write_text(json.dumps(defaults))
        command = [FLEET, "audit", "conntrack-only", "--runner", "processes", "--history", "none"]
        run = subprocess.Popen(
            command,
            cwd=work,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        silent.settimeout(60)
        try:
            connections = [silent.accept() for _ in range(HOSTS)]
            yield run
            for connection, _ in connections:
                connection.close()
        finally:
            run.kill()
            run.communicate()


def test_findings_are_those_of_threads(work: Path) -> None:
    told = {}
    for runner in ("threads", "processes"):
        done = fleet("audit", "conntrack-only", "--runner", runner, "--history", "none", "--format", "json", cwd=work)
        assert done.returncode == 3, done.stderr
        hosts = json.loads(done.stdout)["hosts"]
        told[runner] = {
            name: [(finding["control"], finding["status"]) for finding in host["findings"]]
            for name, host in hosts.items()
        }
    assert len(told["threads"]) == HOSTS
    assert list(told["processes"]) == list(told["threads"])
    assert told["processes"] == told["threads"]


def assert_ended(shards: list[int]) -> None:
    deadline = time.monotonic() + 60
    while left := [pid for pid in shards if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < deadline, f"left: {left}"
        time.sleep(0.05)


def test_ctrl_c_of_a_terminal_ends_the_command_and_its_processes_without_a_trace(
    hanging: "subprocess.Popen[str]",
) -> None:
    shards = shards_of(hanging.pid)
    os.killpg(hanging.pid, signal.SIGINT)
    _, errors = hanging.communicate(timeout=60)
    assert hanging.returncode == 130
    assert "Traceback" not in errors
    assert_ended(shards)


def test_ctrl_c_of_a_terminal_is_for_the_command_alone_from_the_first_moment_of_each_process(
    hanging: "subprocess.Popen[str]",
) -> None:
    for shard in shards_of(hanging.pid):
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{shard}/status").read_text().splitlines())
        assert int(status["SigBlk"], 16) & 1 << (signal.SIGINT - 1)


def test_processes_that_lose_the_command_end(hanging: "subprocess.Popen[str]") -> None:
    shards = shards_of(hanging.pid)
    hanging.kill()
    hanging.communicate(timeout=60)
    assert_ended(shards)
