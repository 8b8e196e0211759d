"""``fleet verify`` and the pytest plugin on real nodes: one connection a host, one read, strict host keys, no leak."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
import testinfra
from support.cli import fleet
from support.lab import running_lab, ssh

from fleet import lab
from fleet.model.errors import HostKeyError
from fleet.runner.fleet import Fleet
from fleet.runner.inventory import FleetInventory, host_views
from fleet.transport import SshTransport
from fleet.verify.backend import session
from fleet.verify.nodes import Nodes

pytestmark = pytest.mark.root

FIN = "net.ipv4.tcp_fin_timeout"
# Connections come and go between two readings.
MOVING = {"conntrack-usage"}
PLAYBOOK = f"""\
name: Verify a lab
profiles: [conntrack, tcp]
controls:
  - id: our-fin-timeout
    title: Sockets close in time
    impact: high
    setting: {{sysctl: {FIN}}}
    state: live
    expect: {{equals: 60}}
    why: w
"""
OWN_TESTS = """\
def test_root(host):
    assert host.user().name == "root"
    assert host.mount_point("/proc").filesystem == "proc"

def test_service(host):
    assert not host.service("no-such-service").is_running

def test_file(host):
    assert host.file("/etc/passwd").contains("root")
"""


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lab.Lab]:
    with running_lab(tmp_path_factory.mktemp("lab"), 4, name="verify") as built:
        yield built


@pytest.fixture
def playbook(tmp_path: Path) -> Path:
    path = tmp_path / "play.yaml"
    path.write_text(PLAYBOOK)
    return path


@pytest.fixture
def own_tests(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "test_own.py").write_text(OWN_TESTS)
    return folder


class Logs:
    """What the sshd of each node has logged since this was made."""

    def __init__(self, built: lab.Lab) -> None:
        self._paths = {node.name: built.directory / "nodes" / node.name / "log" for node in built.nodes}
        self._start = {name: path.stat().st_size for name, path in self._paths.items()}

    def count(self, text: str) -> dict[str, int]:
        """How often each node logged something."""
        return {
            name: path.read_bytes()[self._start[name] :].decode(errors="replace").count(text)
            for name, path in self._paths.items()
        }

    @property
    def connections(self) -> dict[str, int]:
        return self.count("Connection from")

    def wait_for_close(self) -> None:
        """See all of them end, which a server may note a moment after its client has gone."""
        deadline = monotonic() + 20
        while open_ := self._open():
            if monotonic() > deadline:
                raise AssertionError(f"not closed: {open_}")
            sleep(0.05)

    def _open(self) -> list[str]:
        return [
            f"{name} port {port}"
            for name, path in self._paths.items()
            for text in [path.read_bytes()[self._start[name] :].decode(errors="replace")]
            for port in re.findall(r"Connection from \S+ port (\d+) ", text)
            if not re.search(rf"Closing connection to \S+ port {port}\b", text)
        ]

    @property
    def commands(self) -> dict[str, int]:
        return self.count("Starting session: command")


def told(host: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What a verification says of the controls of a host."""
    return [
        (one["test"], one["outcome"], one["reason"])
        for one in host["tests"]
        if one["control"] and one["test"] not in MOVING
    ]


def each(built: lab.Lab, number: int) -> dict[str, int]:
    return {node.name: number for node in built.nodes}


def test_a_full_verification_is_one_login_and_one_command_a_host_and_says_what_the_audit_says(
    nodes: lab.Lab, playbook: Path, tmp_path: Path
) -> None:
    audited = json.loads(fleet("audit", playbook, "-i", nodes.inventory, "-f", "json", cwd=tmp_path).stdout)
    logs = Logs(nodes)
    done = fleet("verify", playbook, "-i", nodes.inventory, "-f", "json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (3, "")
    assert (logs.connections, logs.commands) == (each(nodes, 1), each(nodes, 1))
    verified = json.loads(done.stdout)
    outcomes = {"pass": "passed", "fail": "failed", "warn": "warned", "skip": "skipped", "error": "failed"}
    for name, host in audited["hosts"].items():
        findings = [
            (one["control"], outcomes[one["status"]], one["reason"])
            for one in host["findings"]
            if one["control"] not in MOVING
        ]
        assert told(verified["hosts"][name]) == findings


@pytest.mark.parametrize("more", [(), ("--independent",)], ids=["facts", "independent"])
def test_a_control_that_is_broken_on_a_node_turns_red_and_green_again(
    nodes: lab.Lab, playbook: Path, tmp_path: Path, more: tuple[str, ...]
) -> None:
    limit = ("-i", nodes.inventory, "-l", "web-001", *more)
    failed = "✗ failed  our-fin-timeout  web-001\n  is 5, expected 60; pods keep their own value\n"
    assert failed not in fleet("verify", playbook, *limit, cwd=tmp_path).stdout
    assert ssh(nodes, "web-001", f"sysctl -w {FIN}=5").returncode == 0
    try:
        done = fleet("verify", playbook, *limit, cwd=tmp_path)
    finally:
        assert ssh(nodes, "web-001", f"sysctl -w {FIN}=60").returncode == 0
    assert done.returncode == 3
    assert failed in done.stdout
    assert failed not in fleet("verify", playbook, *limit, cwd=tmp_path).stdout


def test_an_independent_reading_agrees_with_the_probe_over_the_same_connection(
    nodes: lab.Lab, playbook: Path, tmp_path: Path
) -> None:
    logs = Logs(nodes)
    done = [
        json.loads(fleet("verify", playbook, "-i", nodes.inventory, "-f", "json", *more, cwd=tmp_path).stdout)
        for more in ((), ("--independent",))
    ]
    assert [each["run"]["independent"] for each in done] == [False, True]
    for probed, alone in zip(done[0]["hosts"].values(), done[1]["hosts"].values(), strict=True):
        refused = {test[0]: test for test in told(alone) if test[2].startswith("not verified independently")}
        assert [refused.get(test[0], test) for test in told(probed)] == told(alone)
        assert {(outcome, "the rules of the firewall" in reason) for _, outcome, reason in refused.values()} <= {
            ("skipped", True)
        }
    assert logs.connections == each(nodes, 2)
    logs.wait_for_close()
    assert min(logs.commands.values()) > 60


def test_tests_of_your_own_use_the_connection_of_the_facts(
    nodes: lab.Lab, playbook: Path, own_tests: Path, tmp_path: Path
) -> None:
    logs = Logs(nodes)
    done = fleet("verify", playbook, "-i", nodes.inventory, "--tests", own_tests, "-f", "json", cwd=tmp_path)
    data = json.loads(done.stdout)
    for name, host in data["hosts"].items():
        own = {test["test"]: test["outcome"] for test in host["tests"] if not test["control"]}
        assert own == {f"own/test_own.py::{test}": "passed" for test in ("test_root", "test_service", "test_file")}, (
            name
        )
    assert logs.connections == each(nodes, 1)


def test_a_host_that_cannot_be_read_is_exit_1_and_the_others_are_verified(
    nodes: lab.Lab, playbook: Path, own_tests: Path, tmp_path: Path
) -> None:
    inventory = copied(nodes.inventory, tmp_path)
    with (inventory / "hosts.yaml").open("a") as hosts:
        hosts.write("closed: {hostname: 127.0.0.1, port: 1}\n")
    done = fleet("verify", playbook, "-i", inventory, "--tests", own_tests, "-f", "json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    data = json.loads(done.stdout)
    assert data["summary"]["unchecked"] == 1
    assert data["hosts"]["closed"]["error"]["kind"] == "unreachable"
    assert {test["outcome"] for test in data["hosts"]["closed"]["tests"]} == {"skipped", "error"}
    assert data["hosts"]["web-001"]["error"] is None


def test_an_unknown_host_key_is_refused_and_not_remembered(
    nodes: lab.Lab, playbook: Path, own_tests: Path, tmp_path: Path
) -> None:
    inventory = copied(nodes.inventory, tmp_path)
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text("")
    defaults = inventory / "defaults.yaml"
    defaults.write_text(defaults.read_text().replace(str(nodes.known_hosts), str(known_hosts)))
    done = fleet("verify", playbook, "-i", inventory, "--tests", own_tests, "-f", "json", cwd=tmp_path)
    assert done.returncode == 1
    assert {host["error"]["kind"] for host in json.loads(done.stdout)["hosts"].values()} == {"host-key"}
    assert known_hosts.read_text() == ""
    with fleet_of(inventory), pytest.raises(HostKeyError):
        testinfra.get_host("fleet://web-001", once="strict").run("true")
    assert known_hosts.read_text() == ""


def test_nothing_is_left_open(nodes: lab.Lab) -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 iterdir would count its own

    before, threads, logs = open_files(), threading.active_count(), Logs(nodes)
    with fleet_of(nodes.inventory) as verified:
        for name in verified.hosts:
            host = testinfra.get_host(f"fleet://{name}", once="open")
            assert host.sysctl("kernel.ostype") == "Linux"
            assert host.file("/etc/passwd").contains("root")
        assert open_files() > before
    assert (open_files(), threading.active_count()) == (before, threads)
    assert logs.connections == each(nodes, 1)


@pytest.mark.parametrize("workers", [0, 2])
def test_plain_pytest_runs_tests_and_playbooks_over_one_connection_a_host(
    nodes: lab.Lab, playbook: Path, own_tests: Path, tmp_path: Path, workers: int
) -> None:
    logs = Logs(nodes)
    done = pytest_in(
        tmp_path, "--fleet-inventory", nodes.inventory, "-n", workers, "--junitxml=out.xml", own_tests, playbook
    )
    # A node as installed has be_liberal 0, which the profile does not accept.
    assert done.returncode == 1, done.stdout
    assert "FAILED play.yaml::conntrack-be-liberal[" in done.stdout
    assert "FAILED own/" not in done.stdout
    assert "ERROR" not in done.stdout
    assert logs.connections == each(nodes, 1)
    logs.wait_for_close()
    written = (tmp_path / "out.xml").read_text()
    assert 'name="test_root[fleet://web-001]"' in written
    assert 'name="our-fin-timeout[web-001]"' in written


def test_plain_pytest_is_limited_as_asked(nodes: lab.Lab, own_tests: Path, tmp_path: Path) -> None:
    done = pytest_in(
        tmp_path, "--fleet-inventory", nodes.inventory, "--fleet-limit", "web-001", "--collect-only", "-q", own_tests
    )
    assert done.stdout.splitlines()[:3] == [
        f"own/test_own.py::{test}[fleet://web-001]" for test in ("test_root", "test_service", "test_file")
    ]
    wrong = pytest_in(tmp_path, "--fleet-inventory", nodes.inventory, "--fleet-limit", "wbe-001", own_tests)
    assert wrong.returncode == 4
    assert "did you mean 'web-001'?" in wrong.stderr


def pytest_in(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", ".", *map(str, arguments)],
        capture_output=True,
        check=False,
        cwd=folder,
        text=True,
        timeout=180,
    )


def copied(inventory: Path, folder: Path) -> Path:
    copy = folder / "inventory"
    copy.mkdir()
    for file in inventory.iterdir():
        (copy / file.name).write_text(file.read_text())
    return copy


@contextmanager
def fleet_of(inventory: Path) -> Iterator[Nodes]:
    """The hosts of an inventory, in a session."""
    loaded = FleetInventory(str(inventory)).load()
    with Fleet(loaded, SshTransport(), keep_open=True) as opened:
        nodes = Nodes(opened, names=loaded.hosts, inventory=host_views(loaded))
        with session(nodes):
            yield nodes
