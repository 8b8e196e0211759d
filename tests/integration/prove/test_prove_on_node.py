"""On a node of the lab, over SSH: what is seen there, and that nothing of it is left, whoever dies."""

import json
import shlex
import shutil
import signal
import subprocess
import sys
import time
from ast import parse
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
from support.lab import running_lab, ssh
from support.sshd import start_sshd

import fleet.prove.node as node_module
from fleet import lab
from fleet.kernel.invalid import BE_LIBERAL
from fleet.model.connection import Completed
from fleet.model.errors import HostTimeoutError, ProtocolError
from fleet.model.secret import Secret
from fleet.prove import SCENARIOS, Answer, Node, cell_request, on_node
from fleet.prove.programs import program_texts
from fleet.prove.scenario import BUILD_ONLY
from fleet.runner.fleet import Fleet
from fleet.runner.inventory import FleetInventory
from fleet.transport import Command, LocalConnection, SshTransport

pytestmark = pytest.mark.root

RUNS = 4
NONCE = token_hex(16)
WITHIN = 60.0
ABOVE = SCENARIOS["above-window"]
SHORT = cell_request(SCENARIOS["timeout-server-first"], "before", Node(), runs=2)
# It would not come to its end by itself while a test waits.
LONG = SHORT | {"parameters": SHORT["parameters"] | {"silence": 20 * WITHIN}}
PROVE = """
import json, sys
from fleet.prove import on_node
from fleet.runner.fleet import Fleet
from fleet.runner.inventory import FleetInventory
from fleet.transport import SshTransport
with Fleet(FleetInventory(sys.argv[1]).load(), SshTransport()) as fleet:
    fleet.run(lambda host, to: on_node(host.name, to).measure([json.loads(sys.argv[3])] * 3), hosts=[sys.argv[2]])
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lab.Lab]:
    with running_lab(tmp_path_factory.mktemp("lab"), 1, name="onnode") as made:
        yield made


def measured(built: lab.Lab, *requests: dict[str, Any], within: float = 200.0) -> list[Answer]:
    name = built.nodes[0].name
    with Fleet(FleetInventory(str(built.inventory)).load(), SshTransport()) as fleet:
        outcomes = fleet.run(
            lambda host, connection: on_node(host.name, connection, within=within).measure(requests), hosts=[name]
        )
    outcome = outcomes[name]
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def of_the_node(built: lab.Lab) -> str:
    """Its network interfaces and named namespaces, firewall, mounts, settings, and where files might be left."""
    script = """
    ls /sys/class/net /run/netns /tmp /var/tmp /dev/shm /root 2>&1
    cat /proc/self/mounts /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/tcp_fin_timeout
    cat /proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal /proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established
    nft list ruleset; ip address; ip route
    """
    return ssh(built, built.nodes[0].name, f"sh -c {shlex.quote(script)}").stdout


def programs_of(built: lab.Lab) -> int:
    """How many processes of a proof there are on the node."""
    script = r"ps -e -o args= | grep -c '^\(timeout -s\|unshare --net\|python3 -I\)'"
    return int(ssh(built, built.nodes[0].name, script).stdout)


def until(met: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + WITHIN
    while not met():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def test_it_is_red_before_and_green_after_and_the_node_stays_as_it_was(built: lab.Lab) -> None:
    before = of_the_node(built)
    bare = Node(hardened={BE_LIBERAL: "1"})
    fixes = ABOVE.fixes(bare)
    answers = measured(built, *(cell_request(ABOVE, fix, bare, runs=RUNS) for fix in fixes))
    found = {fix: {k: v for k, v in answer.outcomes.items() if v} for fix, answer in zip(fixes, answers, strict=True)}
    assert found == {
        "before": {"reset": RUNS},
        "be-liberal": {"alive": RUNS},
        "invalid-rule": {"alive": RUNS},
        "hardened": {"alive": RUNS},
        "keepalive": {"reset": RUNS},
    }
    assert answers[0].resets == {"client pod to server pod": RUNS, "server pod to client pod": RUNS}
    assert answers[0].kernel == ssh(built, built.nodes[0].name, "uname -r").stdout.strip()
    assert of_the_node(built) == before


def test_many_cells_at_once_are_answered_in_their_order(built: lab.Lab) -> None:
    wanted = ["above-window", "timeout-server-first", "flush-client-first", "fin-wait-2"] * 4
    answers = measured(built, *(cell_request(SCENARIOS[name], "before", Node(), runs=RUNS) for name in wanted))
    found = [next(outcome for outcome, count in answer.outcomes.items() if count) for answer in answers]
    assert found == [SCENARIOS[name].promises["before"] for name in wanted]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_controller_that_is_killed_leaves_nothing_on_the_node(built: lab.Lab, number: signal.Signals) -> None:
    before = of_the_node(built)
    command = [sys.executable, "-c", PROVE, str(built.inventory), built.nodes[0].name, json.dumps(LONG)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as controller:
        until(lambda: programs_of(built) > 0, "the proof did not start")
        controller.send_signal(number)
        controller.wait(WITHIN)
    until(lambda: programs_of(built) == 0, "a process of the proof is left on the node")
    assert of_the_node(built) == before


def test_a_connection_that_is_cut_leaves_nothing_on_the_node(built: lab.Lab) -> None:
    before = of_the_node(built)
    command = [sys.executable, "-c", PROVE, str(built.inventory), built.nodes[0].name, json.dumps(LONG)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as controller:
        until(lambda: programs_of(built) > 0, "the proof did not start")
        # All of sshd that serves a connection, but for the one over which this is said.
        script = "for each in $(pgrep -f 'sshd: root'); do [ $each = $PPID ] || kill -9 $each; done"
        ssh(built, built.nodes[0].name, script)
        controller.wait(WITHIN)
    until(lambda: programs_of(built) == 0, "a process of the proof is left on the node")
    assert of_the_node(built) == before


def test_what_takes_too_long_is_given_up_here_and_ended_there(built: lab.Lab) -> None:
    with pytest.raises(HostTimeoutError, match="did not end within 2 s"):
        measured(built, LONG, within=2.0)
    until(lambda: programs_of(built) == 0, "a process of the proof is left on the node")


def test_a_node_that_is_never_told_of_the_end_ends_it_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_module, "_GRACE", 1)
    arguments = node_module.command_words("0" * 32, 0.5)
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(node_module.programs_and_requests([LONG]))
        process.stdin.flush()
        # Stdin stays open, as of a connection that was cut without a word.
        assert process.wait(WITHIN) == -signal.SIGKILL


@pytest.mark.parametrize("missing", ["timeout", "unshare", "python3", "ip", "nft"])
def test_what_a_node_lacks_is_named(missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for tool in {"timeout", "unshare", "python3", "ip", "nft"} - {missing}:
        found = shutil.which(tool, path=node_module.SEARCH_PATH)
        assert found is not None
        (tmp_path / tool).symlink_to(found)
    monkeypatch.setattr(node_module, "SEARCH_PATH", str(tmp_path))
    with pytest.raises(ProtocolError, match=f"{missing} is not installed"):
        on_node("n1", LocalConnection()).measure([BUILD_ONLY])


class Nobody:
    """This machine, as a user without any right."""

    def run(self, command: Command) -> Completed:
        who = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        return LocalConnection().run(replace(command, arguments=(*who, *command.arguments)))

    def close(self) -> None: ...


def test_without_root_it_says_what_to_do() -> None:
    with pytest.raises(ProtocolError, match=r"may not make namespaces on this node: .*: log in as root, or give"):
        on_node("n1", Nobody()).measure([BUILD_ONLY])


@pytest.mark.parametrize("password", [None, Secret("correct horse")])
def test_a_sudo_with_a_terminal_of_its_own_does_not_keep_the_end_from_the_programs(
    password: Secret | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sudoers = f"Defaults use_pty, lecture=never\nops ALL=(ALL) {'' if password else 'NOPASSWD:'} ALL\n"
    users = {"ops": "correct horse"}
    with start_sshd(tmp_path / "sshd", users=users, etc={"sudoers": sudoers}) as node, SshTransport() as transport:
        endpoint = node.endpoint(user="ops", become="sudo", become_password=password)
        connection = transport.open(endpoint)
        (answer,) = on_node("n1", connection).measure([cell_request(ABOVE, "before", Node(), runs=RUNS)])
        assert answer.outcomes == {"reset": RUNS}
        monkeypatch.setattr(node_module, "token_hex", lambda _: NONCE)
        with ThreadPoolExecutor(1) as pool:
            ended = pool.submit(on_node("n1", connection, within=8.0).measure, [LONG])
            until(lambda: processes_with(NONCE) or ended.done(), "no process of the proof is on the node")
            assert not ended.done()
            with pytest.raises(HostTimeoutError):
                ended.result()
        until(lambda: not processes_with(NONCE), "a process of the proof is left on the node")


def processes_with(word: str) -> list[int]:
    """Those of the whole machine that have a word in their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if word.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def without_waiting(request: dict[str, Any]) -> dict[str, Any]:
    """The same programs run, with other outcomes."""
    waits = {name: 0.0 for name in ("silence", "pause") if name in request["parameters"]}
    return request | {"parameters": request["parameters"] | waits}


def python3(minor: int) -> Path:
    """An interpreter of that version, as a distribution or pyenv installs it."""
    named = shutil.which(f"python3.{minor}")
    for found in (*([named] if named else []), *Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python3")):
        told = subprocess.run([found, "-c", "import sys; print(sys.version_info[1])"], capture_output=True, check=False)
        if told.stdout.strip() == str(minor).encode():
            return Path(found)
    pytest.skip(f"no python3.{minor} here")


@pytest.fixture
def with_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Gives this machine, as a node, another python3."""

    def give(minor: int) -> None:
        for tool in ("timeout", "unshare", "ip", "nft"):
            found = shutil.which(tool, path=node_module.SEARCH_PATH)
            assert found is not None
            (tmp_path / tool).symlink_to(found)
        (tmp_path / "python3").symlink_to(python3(minor))
        monkeypatch.setattr(node_module, "SEARCH_PATH", str(tmp_path))

    return give


@pytest.mark.parametrize("minor", [9, 10, 12, 13, 14])
def test_every_python_from_3_9_on_will_do(minor: int, with_python: Callable[[int], None]) -> None:
    with_python(minor)
    requests = [
        without_waiting(cell_request(scenario, "before", Node(), runs=2))
        for scenario in SCENARIOS.values()
        if not scenario.fills_table and scenario.promises["before"] != "hangs"
    ]
    answers = on_node("n1", LocalConnection()).measure(requests)
    assert [sum(answer.outcomes.values()) for answer in answers] == [2] * len(requests)


@pytest.mark.parametrize("minor", [6, 7, 8])
def test_an_older_python_is_told_so(minor: int, with_python: Callable[[int], None]) -> None:
    with_python(minor)
    with pytest.raises(
        ProtocolError, match=rf"python3 is 3\.{minor}\.\d+, and 3\.9 is the oldest that will do: install"
    ):
        on_node("n1", LocalConnection()).measure([BUILD_ONLY])


def test_an_older_python_can_read_that_it_is_too_old() -> None:
    text = program_texts()["sent.py"]
    parse(text, feature_version=(3, 6))
    too_old = text.replace("_OLDEST = (3, 9)", "_OLDEST = (99, 0)")
    done = subprocess.run([sys.executable, "-c", too_old, "nonce"], capture_output=True, text=True, check=True)
    said, _, answers = done.stdout.partition(" ")
    assert said == "nonce"
    (answer,) = json.loads(answers)
    assert answer["error"].endswith("3.9 is the oldest that will do")
