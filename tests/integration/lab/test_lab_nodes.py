"""What a node is, asked over SSH."""

import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.lab import ssh

from fleet import lab
from fleet.lab import NodeSpec, plan_nodes

pytestmark = pytest.mark.root

LIBERAL = "/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal"


@pytest.fixture(scope="module")
def specs(twelve: lab.Lab) -> dict[str, NodeSpec]:
    return {spec.name: spec for spec in plan_nodes(len(twelve.nodes), 1)}


@pytest.fixture
def marker() -> Iterator[Path]:
    """A file of /etc that must never come to be on this machine."""
    path = Path("/etc/written-in-a-lab-node")
    yield path
    path.unlink(missing_ok=True)


@pytest.mark.parametrize("user", ["root", "ops"])
def test_every_node_answers_the_real_client_under_its_own_name(twelve: lab.Lab, user: str) -> None:
    answers = {node.name: ssh(twelve, node.name, "cat /proc/sys/kernel/hostname", user=user) for node in twelve.nodes}
    assert {name: (done.returncode, done.stdout) for name, done in answers.items()} == {
        node.name: (0, f"{node.name}\n") for node in twelve.nodes
    }


def test_host_keys_machine_ids_and_boot_ids_are_all_different(twelve: lab.Lab) -> None:
    lines = twelve.known_hosts.read_text().splitlines()
    assert len({line.split()[2] for line in lines}) == len(twelve.nodes)
    command = "cat /etc/machine-id /proc/sys/kernel/random/boot_id"
    ids = [ssh(twelve, node.name, command).stdout for node in twelve.nodes[:4]]
    own = (Path("/etc/machine-id"), Path("/proc/sys/kernel/random/boot_id"))  # a container may lack the first
    ids.append("".join(path.read_text() for path in own if path.exists()))
    assert len({line for text in ids for line in text.split()}) == 10


def test_another_nodes_host_key_is_refused(twelve: lab.Lab, tmp_path: Path) -> None:
    first, second = twelve.nodes[:2]
    wrong = tmp_path / "known_hosts"
    wrong.write_text(twelve.known_hosts.read_text().replace(f"{first.address} ", "192.0.2.1 "))
    wrong.write_text(wrong.read_text().replace(f"{second.address} ", f"{first.address} "))
    assert ssh(replace(twelve, known_hosts=wrong), first.name, "true").returncode == 255


def test_a_file_written_in_a_node_is_in_that_node_alone(twelve: lab.Lab, marker: Path) -> None:
    assert ssh(twelve, "web-001", f"echo mine > {marker} && cat {marker}").stdout == "mine\n"
    assert not marker.exists()
    assert ssh(twelve, "web-002", f"cat {marker}").returncode != 0


def test_the_files_of_this_machine_can_be_changed_and_deleted_without_effect_on_it(twelve: lab.Lab) -> None:
    before = Path("/etc/os-release").read_bytes()
    changed = ssh(
        twelve, "web-001", "echo gone > /etc/os-release; rm /etc/passwd-; rm -rf /usr/share/doc; cat /etc/os-release"
    )
    assert changed.stdout == "gone\n"
    assert Path("/etc/os-release").read_bytes() == before
    assert Path("/usr/share/doc").is_dir()


def test_what_this_machine_keeps_for_itself_is_not_shown(twelve: lab.Lab, tmp_path: Path) -> None:
    here = tmp_path / "private"
    here.write_text("private")
    listing = ssh(twelve, "web-001", f"ls -A /home /root /srv /opt; cat {here}; cat /etc/shadow; ls /etc/ssh")
    assert listing.stdout.split()[:4] == ["/home:", "ops", "/opt:", "/root:"]
    assert str(here) in listing.stderr
    assert "$" not in listing.stdout, "a password hash"


def test_network_settings_are_the_nodes_own(twelve: lab.Lab) -> None:
    path = "/proc/sys/net/ipv4/tcp_keepalive_time"
    before = Path(path).read_text()
    assert ssh(twelve, "web-001", f"echo 601 > {path}; cat {path}").stdout == "601\n"
    assert Path(path).read_text() == before != "601\n"
    assert ssh(twelve, "web-002", f"cat {path}").stdout == "7200\n"


@pytest.mark.parametrize(
    "path",
    [
        "/proc/sys/net/netfilter/nf_conntrack_max",
        "/proc/sys/kernel/panic",
        "/proc/sys/vm/swappiness",
        "/proc/sysrq-trigger",
        "/sys/module/nf_conntrack/parameters/hashsize",
    ],
)
def test_settings_of_the_whole_machine_cannot_be_written(twelve: lab.Lab, path: str) -> None:
    if not Path(path).exists():
        pytest.skip(f"this kernel has no {path}")
    # The value that is there already: should the guard ever fail, no harm is done.
    write = ssh(twelve, "web-001", f'value=$(cat {path} 2>/dev/null || echo h); echo "$value" > {path}')
    assert write.returncode != 0
    assert "Read-only" in write.stderr or "denied" in write.stderr


@pytest.mark.parametrize("command", ["mknod /tmp/disk b 8 0", "date -s 2001-01-01"])
def test_roots_way_to_the_machine_itself_is_barred(twelve: lab.Lab, command: str) -> None:
    refused = ssh(twelve, "web-001", command)
    assert refused.returncode != 0
    assert "not permitted" in refused.stderr


def test_root_of_a_node_can_do_what_an_operator_does(twelve: lab.Lab) -> None:
    work = "ip link add b0 type bridge && ip link delete b0 && mount -t tmpfs x /mnt && umount /mnt && kill -0 1"
    assert ssh(twelve, "web-001", work).stderr == ""


def test_ops_becomes_root_without_a_password_and_at_once(twelve: lab.Lab) -> None:
    if shutil.which("sudo") is None:
        pytest.skip("sudo is not installed")
    assert ssh(twelve, "web-001", "sudo -n id -u", user="ops").stdout == "0\n"


def test_nodes_reach_each_other(twelve: lab.Lab) -> None:
    command = "exec 3<>/dev/tcp/db-001/22; head -c 4 <&3"
    assert ssh(twelve, "web-001", f"bash -c '{command}'").stdout == "SSH-"


def test_nodes_reach_nothing_beyond_the_lab(twelve: lab.Lab) -> None:
    routes = ssh(twelve, "web-001", "ip route").stdout.splitlines()
    assert [line.split()[0] for line in routes] == [str(twelve.subnet)]


def test_everything_planned_is_there(twelve: lab.Lab, specs: dict[str, NodeSpec]) -> None:
    for name, spec in specs.items():
        for file in spec.files:
            found = ssh(twelve, name, f"cat {file.path}; stat -c %a {file.path} >&2")
            assert (found.stdout, found.stderr.strip()) == (file.content, f"{file.mode:o}")
        for link in spec.links:
            assert ssh(twelve, name, f"readlink {link.path}").stdout.strip() == link.target


def test_live_values_are_the_planted_ones(twelve: lab.Lab, specs: dict[str, NodeSpec]) -> None:
    for name, spec in specs.items():
        for key, value in spec.live:
            live = ssh(twelve, name, f"cat /proc/sys/{key.replace('.', '/')}").stdout
            assert sorted(live.replace(",", " ").split()) == sorted(value.replace(",", " ").split()), (name, key)
        assert "could not be set" not in lab.log(twelve, name)


def test_only_the_hardened_node_is_liberal(twelve: lab.Lab) -> None:
    liberal = {node.name for node in twelve.nodes if ssh(twelve, node.name, f"cat {LIBERAL}").stdout == "1\n"}
    assert liberal == {node.name for node in twelve.nodes if lab.Planted.HARDENED in node.planted}


def test_pretenders_look_like_the_real_processes(twelve: lab.Lab, specs: dict[str, NodeSpec]) -> None:
    pretenders = [(name, process) for name, spec in specs.items() for process in spec.processes]
    assert len(pretenders) == 6
    for name, process in pretenders:
        comm = process.executable.rpartition("/")[2]
        pid = ssh(twelve, name, f"pgrep -x {comm}").stdout.strip()
        assert pid.isdigit(), (name, comm)
        seen = ssh(twelve, name, f"cat /proc/{pid}/comm; readlink /proc/{pid}/exe; tr '\\0' '\\n' </proc/{pid}/cmdline")
        assert seen.stdout.splitlines() == [comm, process.executable, *process.arguments]


def test_the_extra_listener_stands_in_the_ephemeral_range(twelve: lab.Lab, specs: dict[str, NodeSpec]) -> None:
    (name,) = [name for name, spec in specs.items() if lab.Planted.EPHEMERAL_LISTENER in spec.planted]
    (port,) = specs[name].listeners
    low, high = ssh(twelve, name, "cat /proc/sys/net/ipv4/ip_local_port_range").stdout.split()
    assert int(low) <= port <= int(high)
    with socket.create_connection((str(twelve.node(name).address), port), timeout=10) as connection:
        assert connection.recv(4) == b"SSH-"


def test_the_invalid_rule_is_on_k3s_nodes_and_no_others(twelve: lab.Lab) -> None:
    if shutil.which("iptables-save") is None:
        pytest.skip("iptables is not installed")
    for node in twelve.nodes:
        rules = ssh(twelve, node.name, "iptables-save 2>/dev/null").stdout
        assert ("--ctstate INVALID -j DROP" in rules) is (lab.Planted.INVALID_RULE in node.planted), node.name


def test_what_was_orphaned_is_buried_by_process_1(twelve: lab.Lab) -> None:
    ssh(twelve, "web-001", "for i in 1 2 3 4 5; do (sh -c 'exit 0' &) ; done")
    assert ssh(twelve, "web-001", "ps -eo stat= | grep -c Z").stdout == "0\n"


def test_the_log_counts_logins_and_commands(twelve: lab.Lab) -> None:
    before = lab.log(twelve, "db-001").count("Starting session: command for root")
    ssh(twelve, "db-001", "true")
    assert lab.log(twelve, "db-001").count("Starting session: command for root") == before + 1


def test_the_client_key_is_for_its_owner_alone(twelve: lab.Lab) -> None:
    assert twelve.identity_file.stat().st_mode & 0o777 == 0o600
