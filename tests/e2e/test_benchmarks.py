"""What one node takes: connections, commands and round trips, as its own sshd has seen them, and bytes on the cable.

Also that the benchmark sees who has not done the work.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
from support.cli import fleet
from support.lab import running_lab, ssh

from benchmarks.bare import Task, run
from benchmarks.contestants import CONTESTANTS, Contestant
from benchmarks.field import Field, prepare
from benchmarks.measure import WrongResultError
from benchmarks.rounds import run_once
from benchmarks.work import PLAYBOOK
from fleet import lab
from fleet.cli.playbook import find_playbook
from fleet.cli.target import target
from fleet.lab.record import LabPaths, load
from fleet.policy import load_playbook
from fleet.runner.audit import audit
from fleet.runner.fleet import Fleet

pytestmark = pytest.mark.root

NODES = 6
ROUNDS = 5
MOST_TIMES_BARE_PARAMIKO = 2.5
OPERATIONS = {
    "connections": r"^Connection from ",
    "authentications": r"userauth-request for user ",
    "channels": r"server_input_channel_open: ctype ",
    "channel requests": r"server_input_channel_req: ",
    "global requests": r"server_input_global_request: ",
    "commands": r"^Starting session: command ",
}


@dataclass(frozen=True)
class Taken:
    """By what a run has grown the logs of all nodes, and the traffic of the lab, for one node."""

    operations: dict[str, set[int]]
    bytes: float


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    folder = tmp_path_factory.mktemp("field")
    with running_lab(folder, NODES) as built:
        for node in built.nodes:
            talkative(built, node.name)
        yield prepare(folder, built, Path("no-peers"))


def talkative(built: lab.Lab, node: str) -> None:
    """Let sshd log each request."""
    said = lab.log(built, node).count("Server listening")
    done = ssh(built, node, "sed -i s/VERBOSE/DEBUG2/ /etc/ssh/sshd_config && kill -HUP $(cat /run/sshd.pid)")
    assert done.returncode == 0, done.stderr
    deadline = time.monotonic() + 30
    while lab.log(built, node).count("Server listening") <= said:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def counts(field: Field) -> list[dict[str, int]]:
    logs = [lab.log(field.lab, name) for name in field.names]
    return [{name: len(re.findall(what, log, re.MULTILINE)) for name, what in OPERATIONS.items()} for log in logs]


def traffic(field: Field) -> int:
    record = load(LabPaths(root=field.lab.directory))
    assert record is not None
    statistics = Path("/sys/class/net", record.uplink, "statistics")
    return sum(int((statistics / f"{way}_bytes").read_text()) for way in ("rx", "tx"))


def taken(field: Field, *arguments: str | Path, exit_code: int) -> Taken:
    """Run fleet, and see what it took."""
    before, traffic_before = counts(field), traffic(field)
    done = fleet(*arguments, "-i", field.lab.inventory, cwd=field.folder)
    assert done.returncode == exit_code, done.stderr
    grown = [
        {name: now[name] - then[name] for name in OPERATIONS} for then, now in zip(before, counts(field), strict=True)
    ]
    return Taken(
        {name: {each[name] for each in grown} for name in OPERATIONS}, (traffic(field) - traffic_before) / NODES
    )


def test_an_audit_takes_one_connection_and_one_command_of_a_node(field: Field) -> None:
    seen = taken(field, "audit", PLAYBOOK, "-o", "audit.txt", exit_code=3)
    assert seen.operations == {
        "connections": {1},
        "authentications": {1},
        "channels": {1},
        "channel requests": {1},
        "global requests": {0},
        "commands": {1},
    }
    assert seen.bytes < 60_000


def test_an_apply_takes_no_more_connections_and_commands_than_it_needs(field: Field) -> None:
    field.nodes.put(0)
    seen = taken(field, "apply", "plan.json", "--yes", "-o", "apply.txt", exit_code=0)
    field.nodes.check(1)
    # Three commands: to apply; over a second connection to verify, and to confirm.
    most = {"connections": 2, "authentications": 2, "global requests": 0}
    most = {name: most.get(name, 3) for name in OPERATIONS}
    assert [name for name in OPERATIONS if max(seen.operations[name]) > most[name]] == []
    assert seen.bytes < 160_000


@pytest.mark.parametrize("contestant", CONTESTANTS, ids=lambda each: f"{each.job}-{each.name}")
def test_a_contestant_that_does_nothing_has_no_result(field: Field, contestant: Contestant) -> None:
    idle = replace(contestant, command=lambda _: ("true",), environment=lambda _: {}, right=(0,))
    with pytest.raises(WrongResultError):
        run_once(field, idle)


def test_an_audit_computes_little_more_than_bare_paramiko(field: Field) -> None:
    policy = load_playbook(find_playbook(PLAYBOOK))

    def by_fleet() -> None:
        chosen = target(inventory=str(field.lab.inventory), local=False, limit=None)
        with Fleet(chosen.inventory, chosen.transport) as opened:
            result = audit(opened, policy, hosts=chosen.names, playbook=PLAYBOOK)
        assert all(host.error is None for host in result.hosts.values())

    by_paramiko = partial(run, Task.load(field.task("audit")))
    spent: dict[Callable[[], object], list[float]] = {by_fleet: [], by_paramiko: []}
    for _ in range(ROUNDS):
        for work, seconds in spent.items():
            start = time.process_time()
            work()
            seconds.append(time.process_time() - start)
    assert min(spent[by_fleet]) < MOST_TIMES_BARE_PARAMIKO * min(spent[by_paramiko])
