"""A lab comes whole and goes whole, also when it is cut off."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from support.lab import Namespaces, namespaces, record_of, remains, running_lab, ssh

from fleet import lab
from fleet.lab import processes
from fleet.lab.record import lab_paths
from fleet.model.errors import LabError, UsageError

pytestmark = pytest.mark.root

UP = "from pathlib import Path; from fleet import lab; lab.up(lab.LabRequest(nodes={nodes}, state_dir=Path({state!r})))"


@contextmanager
def start_up(state_dir: Path, nodes: int) -> Iterator[subprocess.Popen[bytes]]:
    """Begin to build a lab; whatever there is of it at the end goes."""
    command = [sys.executable, "-c", UP.format(nodes=nodes, state=str(state_dir))]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as builder:
        try:
            yield builder
        finally:
            builder.kill()
            builder.wait(10)
            lab.down(state_dir)


def wait_for(happens: Callable[[], bool], within: float = 30.0) -> None:
    deadline = time.monotonic() + within
    while not happens():
        assert time.monotonic() < deadline, "did not happen in time"


def test_nothing_is_left_of_a_lab_that_went_down(tmp_path: Path) -> None:
    state = tmp_path / "state"
    lab.up(lab.LabRequest(nodes=5, state_dir=state))
    record = record_of(state)
    assert record is not None
    spaces = namespaces(record.token)
    assert len(spaces.names) == 5 * 3 + 1
    assert lab.down(state) is True
    assert remains(state, record, spaces) == []
    assert lab.down(state) is False


def test_the_state_directory_keeps_what_is_not_the_labs(tmp_path: Path) -> None:
    (tmp_path / "history.db").write_text("kept")
    with running_lab(tmp_path, 1):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["history.db"]


def test_two_labs_live_side_by_side(tmp_path: Path) -> None:
    with running_lab(tmp_path, 2, name="one") as one:
        with running_lab(tmp_path, 2, name="two") as two:
            assert not one.subnet.overlaps(two.subnet)
            for built in (one, two):
                assert ssh(built, "web-001", "cat /etc/hostname").stdout == "web-001\n"
        assert ssh(one, "web-001", "cat /etc/hostname").stdout == "web-001\n"


def test_labs_that_are_built_at_the_same_moment_choose_different_addresses(tmp_path: Path) -> None:
    states = [tmp_path / str(number) for number in range(3)]
    with ExitStack() as stack:
        builders = [stack.enter_context(start_up(state, 2)) for state in states]
        for builder in builders:
            _, errors = builder.communicate(timeout=60)
            assert builder.returncode == 0, errors
        assert len({lab.status(state).lab.subnet for state in states}) == 3


ALL = "all nodes started"
MOMENTS: dict[str, Callable[[Path], bool]] = {
    "its folder is made": lambda state: lab_paths(state, "default").root.exists(),
    "its record is written": lambda state: record_of(state) is not None,
    "its subnet is chosen": lambda state: (record := record_of(state)) is not None and record.subnet is not None,
    "the cable is laid": lambda state: (
        (record := record_of(state)) is not None and Path("/sys/class/net", record.uplink).exists()
    ),
    "the tmpfs is mounted": lambda state: str(state) in Path("/proc/self/mountinfo").read_text(),
    "the first node started": lambda state: any(process.is_init for process in _processes(state)),
    "half of the nodes started": lambda state: sum(process.is_init for process in _processes(state)) > 20,
    ALL: lambda state: sum(process.is_init for process in _processes(state)) == 40,
}


def _processes(state_dir: Path) -> tuple[processes.LabProcess, ...]:
    record = record_of(state_dir)
    return () if record is None else processes.find(record.token)


@pytest.mark.parametrize("moment", MOMENTS)
def test_down_leaves_nothing_after_up_was_killed_when(tmp_path: Path, moment: str) -> None:
    state = tmp_path / "state"
    with start_up(state, 40) as builder:
        wait_for(lambda: MOMENTS[moment](state))
        # Once all nodes have started it ends soon, which may be before this is seen; it leaves no less behind then.
        assert builder.poll() is None or moment == ALL, "up had ended before it could be killed"
        builder.kill()
        builder.wait(10)
        record = record_of(state)
        spaces = Namespaces() if record is None else namespaces(record.token)
        assert lab.down(state) is True
        assert list(state.iterdir()) == []
        if record is not None:
            assert remains(state, record, spaces) == []


def test_an_interrupted_up_cleans_up_after_itself(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with start_up(state, 40) as builder:
        wait_for(lambda: MOMENTS["half of the nodes started"](state))
        record = record_of(state)
        builder.send_signal(signal.SIGINT)
        builder.communicate(timeout=30)
        assert record is not None
        assert remains(state, record, Namespaces()) == []


def test_no_other_command_touches_a_lab_that_is_being_built(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with start_up(state, 120) as builder:
        wait_for(lambda: MOMENTS["the first node started"](state))
        with pytest.raises(LabError, match="another `fleet lab` command is at work"):
            lab.down(state)
        builder.communicate(timeout=60)
        assert builder.returncode == 0


def test_a_second_lab_of_the_same_name_is_refused(tmp_path: Path) -> None:
    with running_lab(tmp_path, 1):
        with pytest.raises(LabError, match=r"there already .*`fleet lab down`"):
            lab.up(lab.LabRequest(nodes=1, state_dir=tmp_path))
        assert lab.status(tmp_path).nodes[0].is_up


def test_a_folder_that_is_not_a_labs_is_not_removed(tmp_path: Path) -> None:
    precious = tmp_path / "lab" / "default" / "thesis.tex"
    precious.parent.mkdir(parents=True)
    precious.write_text("years of work")
    with pytest.raises(LabError, match="holds no lab"):
        lab.down(tmp_path)
    assert precious.exists()


@pytest.mark.parametrize("nodes", [0, -1, 1001])
def test_an_impossible_number_of_nodes_is_refused(tmp_path: Path, nodes: int) -> None:
    with pytest.raises(UsageError, match="1 to 1000 nodes"):
        lab.up(lab.LabRequest(nodes=nodes, state_dir=tmp_path))


def test_a_node_that_is_not_ready_in_time_fails_the_lab_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    # A quick machine has them all listening at the first look.
    monkeypatch.setattr(processes, "is_listening", lambda _pid: False)
    with pytest.raises(LabError, match=r"node \S+ did not answer on 198\.\S+:22 in time"):
        lab.up(lab.LabRequest(nodes=3, state_dir=state, ready_within=0.0))
    assert list(state.iterdir()) == []


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("printf 'no \\033[31mroom\\n' >&2; exit 1\n", "did not start"),
        ("read -r pid _ </proc/self/stat; echo $pid; read -r _; printf 'no \\033[31mroom\\n' >&2\n", "ended while it"),
    ],
)
def test_a_node_that_ends_is_reported_with_its_last_words_made_safe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str
) -> None:
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "switch.sh").write_bytes(Path(lab.__file__).with_name("switch.sh").read_bytes())
    (scripts / "node.sh").write_text(script)
    monkeypatch.setattr("fleet.lab.launch._SCRIPTS", scripts)
    with pytest.raises(LabError, match=message) as raised:
        lab.up(lab.LabRequest(nodes=2, state_dir=tmp_path / "state"))
    assert "no \\x1b[31mroom" in str(raised.value)
    assert list((tmp_path / "state").iterdir()) == []


def test_a_killed_node_is_down_and_a_restarted_one_is_back_with_its_files(tmp_path: Path) -> None:
    with running_lab(tmp_path, 3) as built:
        ssh(
            built,
            "web-001",
            "echo kept > /etc/kept; echo lost > /run/lost; echo 9 > /proc/sys/net/ipv4/tcp_fin_timeout",
        )
        boot_id = ssh(built, "web-001", "cat /proc/sys/kernel/random/boot_id").stdout
        lab.kill(built, "web-001")
        assert {node.node.name: node.is_up for node in lab.status(tmp_path).nodes} == {
            "k3s-server-001": True,
            "web-001": False,
            "k3s-agent-001": True,
        }
        assert ssh(built, "k3s-server-001", "true").returncode == 0

        lab.restart(built, "web-001")
        again = ssh(
            built, "web-001", "cat /etc/kept /proc/sys/net/ipv4/tcp_fin_timeout /proc/sys/kernel/random/boot_id"
        )
        assert again.stdout.split()[:2] == ["kept", "60"]
        assert again.stdout.split()[2] != boot_id.strip()
        assert ssh(built, "web-001", "cat /run/lost").returncode != 0
        lab.restart(built, "web-001")
        assert all(node.is_up for node in lab.status(tmp_path).nodes)
        with pytest.raises(KeyError):
            lab.kill(built, "web-999")


def test_sshd_comes_back_when_it_ends(tmp_path: Path) -> None:
    with running_lab(tmp_path, 1) as built:
        name = built.nodes[0].name
        ssh(built, name, "pkill -o -x sshd")
        wait_for(lambda: ssh(built, name, "true").returncode == 0)
        assert "starting it again" in lab.log(built, name)


def test_status_tells_addresses_and_memory(tmp_path: Path) -> None:
    with running_lab(tmp_path, 3) as built:
        status = lab.status(tmp_path)
        assert status.lab == built
        assert [node.node.address for node in status.nodes] == [built.subnet[2], built.subnet[3], built.subnet[4]]
        assert status.nodes[0].node.address == IPv4Address(int(built.subnet.network_address) + 2)
        assert all(node.is_up and 1 << 18 < node.memory_bytes < 1 << 25 for node in status.nodes)


def test_status_of_no_lab_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"there is no lab 'default'.*`fleet lab up`"):
        lab.status(tmp_path)


def test_sixty_nodes_are_up_quickly_and_small(tmp_path: Path) -> None:
    started = time.monotonic()
    with running_lab(tmp_path, 60):
        assert time.monotonic() - started < 30
        nodes = lab.status(tmp_path).nodes
        assert all(node.is_up for node in nodes)
        assert sum(node.memory_bytes for node in nodes) / len(nodes) < 8 << 20
    assert list(tmp_path.iterdir()) == []


def test_a_machine_with_usr_and_etc_on_mounts_of_their_own_has_a_lab_too(tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "support" / "lab_on_mounts.py"
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, str(script), str(tmp_path)]
    path = os.pathsep.join(entry for entry in sys.path if entry)
    done = subprocess.run(
        command, capture_output=True, check=False, text=True, timeout=60, env={**os.environ, "PYTHONPATH": path}
    )
    assert done.stdout == "7200 mine\n", done.stderr
    assert not Path("/etc/written-on-a-mount").exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "moment", ["the first process is killed", "all processes are killed", "the cable is gone", "the tmpfs is gone"]
)
def test_a_second_down_finishes_what_a_killed_one_began_when(tmp_path: Path, moment: str) -> None:
    lab.up(lab.LabRequest(nodes=20, state_dir=tmp_path))
    record = record_of(tmp_path)
    assert record is not None
    spaces = namespaces(record.token)
    alive = len(processes.find(record.token))
    reached: dict[str, Callable[[], bool]] = {
        "the first process is killed": lambda: len(processes.find(record.token)) < alive,
        "all processes are killed": lambda: not processes.find(record.token),
        "the cable is gone": lambda: not Path("/sys/class/net", record.uplink).exists(),
        "the tmpfs is gone": lambda: str(tmp_path) not in Path("/proc/self/mountinfo").read_text(),
    }
    command = [
        sys.executable,
        "-c",
        f"from pathlib import Path; from fleet import lab; lab.down(Path({str(tmp_path)!r}))",
    ]
    with subprocess.Popen(command) as remover:
        wait_for(reached[moment])
        remover.kill()
    lab.down(tmp_path)
    assert remains(tmp_path, record, spaces) == []
