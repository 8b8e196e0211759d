"""``--runner dask`` over a real sshd: sites, credentials of the workers, and workers and schedulers that are gone."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import dask
import pytest
from distributed import LocalCluster
from distributed.deploy.spec import SpecCluster
from distributed.security import Security
from nornir.core.inventory import Inventory
from support.dask_cluster import Dying, Hanging, dask_cluster, stumble, unsendable, where, worker_pids
from support.rollouts import started
from support.sshd import Sshd, free_port, start_sshd

from fleet.cli.playbook import find_playbook
from fleet.cli.shipped import shipped
from fleet.model.errors import AuthError, FleetError, InternalError, UnreachableError, UsageError
from fleet.model.secret import Secret
from fleet.policy import HostView, load_playbook
from fleet.render import Templates
from fleet.report.audit_json import audit_json
from fleet.runner.audit import audit
from fleet.runner.connection import ConnectionSettings, Credentials
from fleet.runner.dask import cluster as looked_at
from fleet.runner.dask.shards import DaskShards
from fleet.runner.dask.transport import DaskTransport
from fleet.runner.fleet import Fleet
from fleet.runner.inventory import FleetInventory
from fleet.runner.plan import plan
from fleet.runner.processes import Processes
from fleet.runner.shards import Job, Shards
from fleet.transport import Command, Connection, SshTransport

PASSWORD = "open-sesame"
SITES = {"eu-1": "eu", "eu-2": "eu", "us-1": "us"}
HOSTS: dict[str, str | None] = {"n0": None, "n1": "eu", "n2": "eu", "n3": "us", "n4": "us", "n5": "eu"}

pytestmark = pytest.mark.root  # for a user with a password


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    options = {"PasswordAuthentication": "yes"}
    with start_sshd(tmp_path_factory.mktemp("node"), users={"ops": PASSWORD}, options=options) as sshd:
        yield sshd


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpecCluster]:
    sites = {worker: [site] for worker, site in SITES.items()}
    with dask_cluster(tmp_path_factory.mktemp("dask"), sites, {"FLEET_SSH_PASSWORD": PASSWORD}) as made:
        yield made


@pytest.fixture
def address(cluster: SpecCluster) -> str:
    """Where the scheduler is, once workers that a test has killed are back."""
    until(lambda: len(cluster.scheduler.workers) == len(SITES))
    return str(cluster.scheduler_address)


@pytest.fixture
def work(tmp_path: Path, node: Sshd) -> Path:
    """A folder with an inventory of some hosts, most of them at a site, all at the same sshd."""
    node.inventory(tmp_path, {name: at(site) for name, site in HOSTS.items()})
    return tmp_path


def at(site: str | None, **more: object) -> dict[str, Any]:
    return {"connection_options": {"fleet": {"extras": {"site": site, **more}}}}


def loaded(work: Path) -> Inventory:
    return FleetInventory(str(work / "inventory")).load()


class Noted:
    """Who was begun and who is done; and what to do once so many are done."""

    def __init__(self, then: Callable[[int], None] = lambda _: None) -> None:
        self.begun: list[str] = []
        self.done: list[str] = []
        self._then = then

    def started(self, host: str) -> None:
        self.begun.append(host)

    def finished(self, host: str) -> None:
        self.done.append(host)
        self._then(len(self.done))


def visited(
    job: Job,
    address: str,
    inventory: Inventory,
    *,
    hosts: list[str] | None = None,
    **of_fleet: Any,  # noqa: ANN401 each test has its own
) -> dict[str, Any]:
    shards = DaskShards(scheduler=address, workers=8, patience=300)
    with Fleet(inventory, SshTransport(), shards=shards, **of_fleet) as fleet:
        return dict(fleet.run(job, hosts=hosts))


def test_documents_are_those_of_threads(work: Path, address: str) -> None:
    policy = load_playbook(find_playbook("conntrack-only"))
    templates = Templates(shipped("templates"))
    audits, plans = {}, {}
    runners: dict[str, Shards | None] = {
        "threads": None,
        "processes": Processes(processes=1, workers=2),
        "dask": DaskShards(scheduler=address, workers=2),
    }
    for name, shards in runners.items():
        with Fleet(loaded(work), SshTransport(), shards=shards) as fleet:
            audited = audit(fleet, policy, hosts=["n0", "n1", "n3"], playbook="conntrack-only")
            planned = plan(fleet, policy, hosts=["n1"], playbook="conntrack-only", templates=templates)
        audits[name] = json.loads("".join(audit_json(audited)))["hosts"]
        plans[name] = planned.hosts
    assert list(audits["threads"]) == ["n0", "n1", "n3"]
    assert {host["status"] for host in audits["threads"].values()} == {"findings"}
    assert plans["threads"]["n1"].plan is not None
    assert audits["dask"] == audits["processes"] == audits["threads"]
    assert plans["dask"] == plans["processes"] == plans["threads"]


def test_ctrl_c_ends_the_command_at_once_and_the_cluster_forgets_it(
    work: Path, cluster: SpecCluster, address: str
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=len(HOSTS)) as silent:
        hosts = {name: {"hostname": "127.0.0.1", "port": silent.getsockname()[1]} for name in HOSTS}
        (work / "inventory" / "hosts.yaml").write_text(json.dumps(hosts))
        over = ("--runner", "dask", "--scheduler", address, "--history", "none", "--auth-timeout", "5")
        with started("audit", "conntrack-only", *over, cwd=work) as process:
            until(lambda: len(cluster.scheduler.tasks) == len(HOSTS))
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (130, "error: interrupted\n")
        until(lambda: not cluster.scheduler.tasks)


def test_a_host_is_reached_from_its_site(work: Path, address: str) -> None:
    progress = Noted()
    outcomes = visited(where, address, loaded(work), progress=progress)
    assert list(outcomes) == list(HOSTS)
    assert {name: said for name, (said, _) in outcomes.items()} == {name: name for name in HOSTS}
    assert {name: SITES[worker] for name, (_, worker) in outcomes.items() if name != "n0"} == {
        name: site for name, site in HOSTS.items() if site
    }
    assert sorted(progress.begun) == sorted(progress.done) == list(HOSTS)


def test_a_site_without_a_worker_is_told_of_its_hosts_and_keeps_no_other_waiting(work: Path, address: str) -> None:
    inventory = loaded(work)
    inventory.hosts["n3"].connection_options["fleet"].extras["site"] = "ap"  # type: ignore[index]
    outcomes = visited(where, address, inventory)
    lost = outcomes.pop("n3")
    assert isinstance(lost, InternalError)
    assert "no worker is at site 'ap'" in str(lost)
    assert "has workers at eu, us" in str(lost)
    assert "--resources 'site:ap=1'" in str(lost)
    assert [said for said, _ in outcomes.values()] == list(outcomes)


def test_a_bug_in_a_job_or_its_result_is_told_with_its_place(work: Path, address: str) -> None:
    inventory = loaded(work)
    assert "KeyError at dask_cluster.py:" in str(visited(stumble, address, inventory)["n2"])
    assert "this is a bug in fleet" in str(visited(unsendable, address, inventory, hosts=["n1"])["n1"])


def test_the_hosts_of_a_worker_that_was_killed_are_visited_again(work: Path, address: str, tmp_path: Path) -> None:
    (tmp_path / "lives").mkdir()
    (tmp_path / "lives" / "one").touch()
    progress = Noted()
    outcomes = visited(Dying("n2", tmp_path / "lives"), address, loaded(work), progress=progress)
    assert outcomes == {name: name for name in HOSTS}
    assert sorted(progress.begun) == sorted(progress.done) == list(HOSTS)
    assert not list((tmp_path / "lives").iterdir())


def test_a_host_that_kills_its_workers_is_given_up_with_words(work: Path, address: str, tmp_path: Path) -> None:
    (tmp_path / "lives").mkdir()
    for name in ("one", "two", "three"):
        (tmp_path / "lives" / name).touch()
    lost = visited(Dying("n2", tmp_path / "lives"), address, loaded(work), hosts=["n2"])["n2"]
    assert isinstance(lost, InternalError)
    assert "2 workers that visited it have died" in str(lost)


def test_the_password_is_the_workers_own(work: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    inventory = loaded(work)
    inventory.hosts["n1"].username = "ops"
    inventory.hosts["n1"].connection_options["fleet"].extras["identity_files"] = []  # type: ignore[index]
    assert visited(where, address, inventory, hosts=["n1"])["n1"][0] == "n1"
    # One that is set here says nothing there.
    monkeypatch.setenv("FLEET_SSH_PASSWORD", "another")
    settings = ConnectionSettings(credentials=Credentials(password=Secret("another")))
    assert visited(where, address, inventory, hosts=["n1"], settings=settings)["n1"][0] == "n1"
    inventory.hosts["n1"].username = "nobody"
    lost = visited(where, address, inventory, hosts=["n1"])["n1"]
    assert isinstance(lost, AuthError)
    assert str(lost).startswith(f"from the worker on {os.uname().nodename}: nobody@")


def test_a_typed_password_is_refused_before_anything_is_visited(work: Path, address: str) -> None:
    settings = ConnectionSettings(credentials=Credentials(become_password=Secret("typed")))
    progress = Noted()
    with pytest.raises(UsageError, match=r"set \$FLEET_BECOME_PASSWORD where each worker is started"):
        visited(where, address, loaded(work), settings=settings, progress=progress)
    assert progress.begun == []


def test_workers_with_another_fleet_are_named_before_anything_is_visited(
    work: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looked_at, "__version__", "0.0.0")
    progress = Noted()
    with pytest.raises(FleetError, match=r"this is fleet 0\.0\.0, and not all workers have it: tcp://.* has fleet "):
        visited(where, address, loaded(work), progress=progress)
    with pytest.raises(FleetError, match=r"this is fleet 0\.0\.0"):
        DaskTransport(address, patience=300)
    assert progress.begun == []


def test_a_scheduler_that_is_not_there_is_told(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(looked_at.CONNECT, "timeout", 0.3)  # type: ignore[arg-type] # a dict
    with pytest.raises(FleetError, match=r"tcp://127\.0\.0\.1:1 cannot be reached: .*see whether it runs"):
        visited(where, "tcp://127.0.0.1:1", loaded(work))


@contextmanager
def program(*words: str, cwd: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The ``dask`` program, as the documentation shows it."""
    there = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "dask", *words]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=cwd, env=there, stdout=quiet, stderr=quiet) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_scheduler_that_is_lost_leaves_what_was_read(work: Path, tmp_path: Path) -> None:
    port = str(free_port())
    address = f"tcp://127.0.0.1:{port}"
    begun = tmp_path / "begun"
    dashboard = ("--dashboard-address", "127.0.0.1:0")
    resources = ("--resources", "site:eu=1 site:us=1")
    with (
        program("scheduler", "--host", "127.0.0.1", "--port", port, *dashboard, cwd=tmp_path) as scheduler,
        program("worker", address, "--no-nanny", *dashboard, "--nthreads", "4", *resources, cwd=tmp_path),
    ):
        until(lambda: has_worker(address))

        def end(done: int) -> None:
            if done == len(HOSTS) - 1:
                until(begun.exists)
                scheduler.kill()

        outcomes = visited(Hanging("n0", begun), address, loaded(work), progress=Noted(end))
    lost = outcomes.pop("n0")
    assert outcomes == {name: name for name in HOSTS if name != "n0"}
    assert f"the connection to the scheduler {address} was lost" in str(lost)


def has_worker(address: str) -> bool:
    try:
        DaskTransport(address).close()
    except FleetError:
        return False
    return True


def test_a_command_whose_worker_is_killed_is_not_done_again(
    cluster: SpecCluster, address: str, node: Sshd, tmp_path: Path
) -> None:
    """The site has another worker, and the one that was killed comes back."""
    ran = tmp_path / "ran"
    endpoint = replace(node.endpoint(), site="us")
    write = Command(arguments=("sh", "-c", f"echo once >>{ran}; sleep 20"))
    transport = DaskTransport(address, patience=300)
    try:
        connection = transport.open(endpoint)
        killer = threading.Thread(target=kill_once, args=(ran, cluster, "us-1"))
        killer.start()
        with pytest.raises(UnreachableError, match=r"the worker at tcp://.*, which held the connection, is gone"):
            connection.run(write)
        killer.join()
        connection.close()
        # Asked for anew, it waits for a worker of the site, and finds what was done.
        again = transport.open(endpoint)
        assert again.run(Command(arguments=("cat", str(ran)))).stdout == b"once\n"
        again.close()
        for left in node.sessions():
            with suppress(ProcessLookupError):
                os.kill(left, signal.SIGKILL)
    finally:
        transport.close()


def kill_once(sign: Path, cluster: SpecCluster, worker: str) -> None:
    until(sign.exists)
    os.kill(worker_pids(cluster)[worker], signal.SIGKILL)


def test_a_command_that_dask_does_again_is_refused_by_its_number(address: str, node: Sshd, tmp_path: Path) -> None:
    write = Command(arguments=("sh", "-c", f"echo once >>{tmp_path}/ran"))
    transport = DaskTransport(address, patience=300)
    try:
        connection = transport.open(node.endpoint())
        again = copy(connection)
        connection.run(write)
        with pytest.raises(UnreachableError, match="has lost the connection or its answer"):
            again.run(write)
        connection.run(write)
    finally:
        transport.close()
    assert (tmp_path / "ran").read_text() == "once\n" * 2


def test_the_end_of_a_run_logs_out_everywhere(address: str, node: Sshd) -> None:
    transport = DaskTransport(address, patience=300)
    kept = transport.open(node.endpoint())
    assert kept.run(Command(arguments=("echo", "kept"))).stdout == b"kept\n"
    transport.close()
    until(lambda: not node.sessions())


def test_tls_is_as_dask_has_it(work: Path, tmp_path: Path) -> None:
    made = Security.temporary()
    (tmp_path / "cert.pem").write_text(made.tls_client_cert)
    (tmp_path / "key.pem").write_text(made.tls_client_key)
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    ours = {"distributed.comm.tls.client.cert": cert, "distributed.comm.tls.client.key": key}
    with (
        LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=1,
            threads_per_worker=2,
            processes=False,
            protocol="tls",
            security=made,
            dashboard_address="127.0.0.1:0",
            host="127.0.0.1",
            resources={"site:eu": 1},
        ) as cluster,
    ):
        address = cluster.scheduler_address
        assert address.startswith("tls://")
        with pytest.raises(UsageError, match="needs certificates"):
            DaskShards(scheduler=address, workers=1)
        with dask.config.set({"distributed.comm.tls.ca-file": cert, **ours}):
            assert visited(said, address, loaded(work), hosts=["n1"]) == {"n1": b"n1\n"}


def said(host: HostView, connection: Connection) -> bytes:
    return connection.run(Command(arguments=("echo", host.name))).stdout
