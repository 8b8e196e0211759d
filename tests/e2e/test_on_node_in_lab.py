"""The checker on every kind of node of the lab: it says what the controller says, or leaves it to the controller."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.cli import fleet
from support.lab import running_lab, ssh
from support.on_node import LEFT, compiled, install, run_over, statuses
from support.plans import TODAY, every_profile
from support.vm import archived
from support.vm_trees import TREES

from fleet import lab
from fleet.facts import ProbeRequest
from fleet.plan.checker.text import data_text
from fleet.policy import HostView, evaluate, needed_files, needed_keys
from fleet.runner.audit import read_facts
from fleet.runner.fleet import Fleet
from fleet.runner.inventory import FleetInventory
from fleet.transport import Command, Connection, SshTransport

pytestmark = pytest.mark.root

POLICY = every_profile()
REQUEST = ProbeRequest(keys=needed_keys(POLICY), files=needed_files(POLICY))
# Each network namespace has its own.
MOVED = (
    *("net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_retries2", "net.ipv4.tcp_syncookies"),
    *("net.core.somaxconn", "net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports"),
    *("net.netfilter.nf_conntrack_tcp_be_liberal", "net.netfilter.nf_conntrack_tcp_timeout_established"),
)
VALUES = ("0", "1", "2", "600", "7200", "86400", "1024 65535", "30000-32767", "32768 40000")


@dataclass(frozen=True)
class Seen:
    """What both say of one node at one moment."""

    controller: dict[str, str]
    checker: dict[str, str]

    def wrong(self) -> dict[str, tuple[str, str]]:
        return {
            control: (status, self.controller[control])
            for control, status in self.checker.items()
            if status not in {*LEFT, self.controller[control]}
        }

    def told(self, status: str) -> list[str]:
        return sorted(control for control, told in self.checker.items() if told == status)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lab.Lab]:
    # The first twelve are one of each kind.
    with running_lab(tmp_path_factory.mktemp("lab"), 14, name="onnode") as built:
        yield built


def plan_on(host: HostView, connection: Connection) -> None:
    facts = read_facts(host, connection, REQUEST)
    install(connection, data_text(compiled(POLICY, facts, host), POLICY, textfile_dir=None))


def look(host: HostView, connection: Connection, shell: str) -> Seen:
    told = evaluate(POLICY, read_facts(host, connection, REQUEST), host=host, today=TODAY)
    return Seen(
        controller={finding.control: finding.status for finding in told.findings},
        checker=statuses(run_over(connection, shell)),
    )


def follow(host: HostView, connection: Connection) -> list[Seen]:
    """Both as the node is, after values were written by hand, and after a file was too."""
    plan_on(host, connection)
    found = [look(host, connection, "dash"), look(host, connection, "busybox")]
    rng = random.Random(host.name)  # noqa: S311 repeatable variety, not a secret
    writes = "".join(
        f"echo '{rng.choice(VALUES)}' >/proc/sys/{key.replace('.', '/')}\n" for key in MOVED if rng.random() < 0.7
    )
    connection.run(Command(arguments=("sh", "-s"), stdin=writes.encode()))
    found.append(look(host, connection, "busybox"))
    write = "echo net.ipv4.tcp_fin_timeout = 1 >/etc/sysctl.d/zzzz.conf"
    connection.run(Command(arguments=("sh", "-c", write)))
    return [*found, look(host, connection, "dash")]


def test_the_checker_says_what_the_controller_says_or_leaves_it_to_the_controller(nodes: lab.Lab) -> None:
    inventory = FleetInventory(str(nodes.inventory)).load()
    with Fleet(inventory, SshTransport()) as hosts:
        outcomes = hosts.run(follow, hosts=list(inventory.hosts))
    followed = {name: each for name, each in outcomes.items() if isinstance(each, list)}
    assert {name: each for name, each in outcomes.items() if name not in followed} == {}
    assert {name: [each.wrong() for each in moments] for name, moments in followed.items()} == {
        name: [{}, {}, {}, {}] for name in followed
    }
    violated = 0
    for first, again, written, filed in followed.values():
        assert first == again
        # As planned, nothing is left to the controller but what was said in the plan.
        assert (first.told("unknown"), len(first.told("unjudged")) <= 7) == ([], True)
        assert written.told("unjudged") == first.told("unjudged")
        assert set(written.told("unknown")) <= {"ports-avoid-node-ports"}
        violated += written.told("fail") != first.told("fail")
        # A file that was not there: what the next boot leaves is not claimed any more, and what is wrong now still is.
        assert "tcp-fin-timeout" not in filed.told("pass")
        assert set(first.told("fail")) <= {*filed.told("fail"), *filed.told("unknown")}
    assert violated > len(followed) / 2


def test_the_checker_agrees_over_the_trees_that_real_machines_are_booted_with(nodes: lab.Lab) -> None:
    inventory = FleetInventory(str(nodes.inventory)).load()
    trees = dict(zip(inventory.hosts, TREES.items(), strict=True))

    def plant(host: HostView, connection: Connection) -> Seen:
        name, tree = trees[host.name]
        planting = archived(tree(random.Random(name)))  # noqa: S311 repeatable variety, not a secret
        words = ("tar", "-x", "--keep-directory-symlink", "-C", "/", "-f", "-")
        assert connection.run(Command(arguments=words, stdin=planting)).exit_status == 0
        plan_on(host, connection)
        return look(host, connection, "dash")

    with Fleet(inventory, SshTransport()) as hosts:
        outcomes = hosts.run(plant, hosts=list(inventory.hosts))
    seen = {trees[name][0]: outcome for name, outcome in outcomes.items()}
    assert {tree: each.wrong() if isinstance(each, Seen) else each for tree, each in seen.items()} == {
        tree: {} for tree in TREES
    }
    assert [tree for tree, each in seen.items() if isinstance(each, Seen) and each.told("unknown")] == []


def test_a_node_that_another_playbook_checks_is_left_to_that_and_the_plan_says_so(
    nodes: lab.Lab, tmp_path: Path
) -> None:
    data = r"# Managed by fleet\nplaybook\tOther\n"
    ssh(nodes, "web-001", f"mkdir -p /etc/fleet; printf '{data}' >/etc/fleet/check.data")
    ssh(nodes, "db-001", "rm -rf /etc/fleet")
    (tmp_path / "play.yaml").write_text("name: On node\nprofiles: [tcp]\non_node: {every: 5m}\n")
    done = fleet("plan", tmp_path / "play.yaml", "-i", nodes.inventory, "-l", "web-001,db-001", cwd=tmp_path)
    assert (done.returncode, "unit fleet-check.timer: db-001" in done.stdout) == (1, True), done.stdout
    assert "web-001: fleet-check.timer: the node checks itself by another playbook, 'Other'" in " ".join(
        done.stdout.split()
    )
