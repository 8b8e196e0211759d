"""``fleet verify`` and plain pytest on a host behind another one, where root is reached by sudo with a password."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep
from xml.etree import ElementTree as ET

import pytest
from support.cli import fleet
from support.sshd import Sshd, make_key, start_sshd

pytestmark = pytest.mark.root

PASSWORD = "correct horse"
SUDO = {"FLEET_BECOME_PASSWORD": PASSWORD}
PLAYBOOK = """\
name: Verify one host
controls:
  - id: fin-timeout
    title: It is a number
    impact: low
    setting: {sysctl: net.ipv4.tcp_fin_timeout}
    expect: {at_least: 0}
    why: w
"""
OWN_TESTS = """\
def test_root(host):
    assert host.user().name == "root"
    assert host.check_output("echo $SUDO_USER") == "asks"

def test_behind_the_other_host(host):
    assert host.mount_point("/proc").filesystem == "proc"
    assert host.file("/etc/sudoers").contains("asks")
    assert not host.service("no-such-service").is_running
"""


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[tuple[Sshd, Sshd]]:
    """A jump host, and the host behind it."""
    key = make_key(tmp_path / "key")
    etc = {"sudoers": "asks ALL=(ALL) ALL\n"}
    with (
        start_sshd(tmp_path / "jump", client_key=key, users={"hop": "x"}) as jump,
        start_sshd(tmp_path / "node", client_key=key, users={"asks": PASSWORD}, etc=etc) as node,
    ):
        yield jump, node


@pytest.fixture
def folder(nodes: tuple[Sshd, Sshd], tmp_path: Path) -> Path:
    """An inventory, a playbook and tests."""
    jump, node = nodes
    made = tmp_path / "work"
    (made / "inventory").mkdir(parents=True)
    (made / "own").mkdir()
    (made / "inventory" / "known_hosts").write_text(jump.known_hosts.read_text() + node.known_hosts.read_text())
    (made / "inventory" / "hosts.yaml").write_text(f"""\
inner:
  hostname: 127.0.0.1
  port: {node.port}
  username: asks
  connection_options:
    fleet:
      extras:
        identity_files: [{node.client_key}]
        use_agent: false
        ssh_config: /dev/null
        known_hosts: [known_hosts]
        proxy_jump: ["hop@127.0.0.1:{jump.port}"]
        become: sudo
""")
    (made / "play.yaml").write_text(PLAYBOOK)
    (made / "own" / "test_own.py").write_text(OWN_TESTS)
    return made


def reaches(count: Callable[[], int], number: int) -> bool:
    """Whether a server logs something so often in the end: it notes some things after its clients have gone."""
    deadline = monotonic() + 20
    while count() < number and monotonic() < deadline:
        sleep(0.05)
    return count() == number


def opened_and_closed_once(nodes: tuple[Sshd, Sshd]) -> bool:
    return all(
        node.count("^Connection from ") == 1 and reaches(lambda log=node: log.count("^Closing connection to "), 1)  # type: ignore[misc] # bound at once
        for node in nodes
    )


@pytest.mark.parametrize("more", [(), ("--independent",)], ids=["facts", "independent"])
def test_all_is_asked_as_root_over_one_connection_through_the_jump_host(
    nodes: tuple[Sshd, Sshd], folder: Path, more: tuple[str, ...]
) -> None:
    done = fleet("verify", "play.yaml", "--tests", "own", "-f", "json", *more, cwd=folder, env=SUDO)
    assert (done.returncode, done.stderr) == (0, "")
    assert PASSWORD not in done.stdout
    tests = {test["test"]: test["outcome"] for test in json.loads(done.stdout)["hosts"]["inner"]["tests"]}
    assert tests == {
        "fin-timeout": "passed",
        "own/test_own.py::test_root": "passed",
        "own/test_own.py::test_behind_the_other_host": "passed",
    }
    assert opened_and_closed_once(nodes)


def test_plain_pytest_does_so_too(nodes: tuple[Sshd, Sshd], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SUDO.items():
        monkeypatch.setenv(name, value)
    options = ["--fleet-inventory", "inventory", "-n", "auto", "--junitxml=out.xml", "--rootdir", "."]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options, "own", "play.yaml"],
        capture_output=True,
        check=False,
        cwd=folder,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout
    assert PASSWORD not in done.stdout + done.stderr
    cases = {case.get("name"): len(case) for case in ET.parse(folder / "out.xml").iter("testcase")}  # noqa: S314 our own
    assert {name for name in cases if name} >= {"test_root[fleet://inner]", "fin-timeout[inner]"}
    assert opened_and_closed_once(nodes)


def test_a_jump_host_whose_key_is_not_known_is_refused(nodes: tuple[Sshd, Sshd], folder: Path) -> None:
    jump, node = nodes
    known = folder / "inventory" / "known_hosts"
    known.write_text(node.known_hosts.read_text())
    done = fleet("verify", "play.yaml", "--tests", "own", "-f", "json", cwd=folder, env=SUDO)
    assert done.returncode == 1
    assert json.loads(done.stdout)["hosts"]["inner"]["error"]["kind"] == "host-key"
    assert known.read_text() == node.known_hosts.read_text()
    assert (jump.count("^Accepted"), node.count("^Connection from ")) == (0, 0)
