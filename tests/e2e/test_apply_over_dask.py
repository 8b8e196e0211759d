"""``fleet apply`` and ``fleet rollback`` on real nodes that the workers of a Dask cluster reach, one of whom dies."""

import json
import os
import signal
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import psutil
import pytest
import yaml
from distributed.deploy.spec import SpecCluster
from support.cli import fleet
from support.dask_cluster import dask_cluster, worker_pids
from support.faults import FaultNode, fault_nodes, until
from support.lab import running_lab
from support.rollouts import FIN, ended, leftovers_of, read, save_plan, started, write_playbook

from fleet import lab

pytestmark = pytest.mark.root

SITES = {"one": ["eu", "us"], "other": ["us"]}


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[FaultNode]]:
    """The first is reached from one site, the others from another."""
    state_dir = tmp_path_factory.mktemp("lab")
    with running_lab(state_dir, 3, name="dask") as built, fault_nodes(built, state_dir) as planted:
        hosts = yaml.safe_load((built.inventory / "hosts.yaml").read_text())
        for name, site in zip(hosts, ("eu", "us", "us"), strict=True):
            hosts[name]["connection_options"] = {"fleet": {"extras": {"site": site}}}
        (built.inventory / "hosts.yaml").write_text(yaml.safe_dump(hosts, sort_keys=False))
        yield planted


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpecCluster]:
    with dask_cluster(tmp_path_factory.mktemp("dask"), SITES, {}) as made:
        yield made


def test_a_worker_that_dies_in_the_middle_of_a_change_repeats_nothing_and_the_node_says_what_it_has_done(
    nodes: list[FaultNode], cluster: SpecCluster, tmp_path: Path
) -> None:
    built: lab.Lab = nodes[0].built
    rollout = "rollout: {serial: [1, 2], confirm_within: 300s, gates: [verify]}\n"
    plan = save_plan(built, write_playbook(tmp_path, rollout), tmp_path)
    over = ("-i", built.inventory, "--yes", "-f", "json", "--runner", "dask", "--scheduler", cluster.scheduler_address)
    # In the second batch, with the undo armed, when the file is about to get its name.
    trap = nodes[1].set_trap("mv -f *.new /etc/*", 1)
    with started("apply", plan, *over, cwd=tmp_path) as process:
        until(trap.is_reached, "the change of the second node")
        os.kill(holder(cluster, str(built.node(nodes[1].name).address)), signal.SIGKILL)
        trap.release()
        code, out, error = ended(process)
    assert code == 0, (out, error)
    data = json.loads(out)
    assert {host["status"] for host in data["hosts"].values()} == {"changed"}
    assert [len(batch["hosts"]) for batch in data["batches"]] == [1, 2]
    for node in nodes:
        assert read(built, node.name, FIN) == "47"
        assert len([call for call in node.calls() if fnmatch(call, "mv -f *.new /etc/*")]) == 1
        assert node.run_states()[data["run"]["id"]] == "confirmed"
        assert leftovers_of(built, node.name) == ""
    # A site that has no worker when a run begins is not waited for.
    until(lambda: len(cluster.scheduler.workers) == len(SITES), "the worker to be started anew")
    undone = fleet("rollback", data["run"]["id"], *over, cwd=tmp_path)
    assert undone.returncode == 0, undone.stderr
    assert {read(built, node.name, FIN) for node in nodes} == {"60"}
    assert error.count("Traceback") == undone.stderr.count("Traceback") == 0


def holder(cluster: SpecCluster, address: str) -> int:
    """The process of the worker that has a connection to an address."""
    [pid] = [
        pid
        for pid in worker_pids(cluster).values()
        if any(each.raddr and each.raddr.ip == address for each in psutil.Process(pid).net_connections())
    ]
    return pid
