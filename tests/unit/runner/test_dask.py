"""What is sent to a Dask cluster, and what is refused before there is one."""

import pickle
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from fleet.facts import ProbeRequest
from fleet.model.connection import Endpoint
from fleet.model.errors import DocumentError, FleetError, InternalError, UsageError
from fleet.model.secret import Secret
from fleet.policy import HostView, load_playbook
from fleet.runner.audit import AuditJob
from fleet.runner.choice import Runner, check_deciding_here, choose
from fleet.runner.dask.cluster import check_address, check_versions, without_credentials
from fleet.runner.dask.connections import run_there
from fleet.runner.dask.task import seal, version_there, visit_host
from fleet.runner.inventory import FleetInventory
from fleet.runner.shards import Visit

SECRET = "open-sesame"
HOST = HostView(name="n1", groups=(), data={}, address="192.0.2.1")
ENDPOINT = Endpoint(name="n1", address="192.0.2.1", password=Secret(SECRET), site="eu")


@pytest.mark.parametrize("field", ["password", "passphrase", "become_password"])
def test_a_secret_cannot_be_put_into_a_task(field: str) -> None:
    bare = replace(ENDPOINT, password=None)
    seal(Visit(host=HOST, endpoint=bare))
    with pytest.raises(TypeError, match="a secret is not pickled"):
        seal(Visit(host=HOST, endpoint=replace(bare, **{field: Secret(SECRET)})))
    with pytest.raises(TypeError, match="a secret is not pickled"):
        pickle.dumps({"deep": [Secret(SECRET)]})


def test_what_the_environment_has_is_left_out_and_is_nowhere_in_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_SSH_PASSWORD", SECRET)
    policy = load_playbook(Path("playbooks/conntrack-only.yaml"))
    job = AuditJob(policy=policy, request=ProbeRequest(keys=()), looks=(), today=date(2026, 11, 21))
    visit = Visit(host=HOST, endpoint=without_credentials(ENDPOINT))
    sent = pickle.dumps((visit_host, (version_there(), "run", seal(job), seal(visit))))
    assert SECRET.encode() not in sent + pickle.dumps(job) + pickle.dumps(visit)
    assert (visit.endpoint.password, visit.endpoint.site) == (None, "eu")


def test_a_password_that_only_this_machine_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for here in ("", "another"):
        monkeypatch.setenv("FLEET_SSH_PASSWORD", here)
        with pytest.raises(
            UsageError, match=r"n1: its password was typed .* set \$FLEET_SSH_PASSWORD where each"
        ) as no:
            without_credentials(ENDPOINT)
        assert SECRET not in str(no.value)


def test_a_worker_with_another_fleet_says_so_before_it_reads_the_task() -> None:
    told = pickle.loads(visit_host("0.0.0", "run", b"not read", b"not read"))  # noqa: S301 our own
    assert isinstance(told, InternalError)
    assert f"has fleet {version_there()}, and this is fleet 0.0.0" in str(told)


def test_a_command_over_a_connection_that_is_not_held_is_not_done() -> None:
    assert pickle.loads(run_there("no such token", 0, b"not read")) is None  # noqa: S301 our own


def test_workers_are_checked_for_the_same_fleet() -> None:
    ours = version_there()
    check_versions({"tcp://a:1": ours}, "tcp://s:1")
    with pytest.raises(FleetError, match="has no workers"):
        check_versions({}, "tcp://s:1")
    lacking = ModuleNotFoundError("No module named 'fleet'\nand more")
    with pytest.raises(FleetError, match=r"tcp://b:1 has none \(No module named 'fleet'\), tcp://c:1 has fleet 7:"):
        check_versions({"tcp://a:1": ours, "tcp://b:1": lacking, "tcp://c:1": "7"}, "tcp://s:1")
    with pytest.raises(FleetError, match="and 2 more: install the same there"):
        check_versions({f"tcp://{name}:1": "7" for name in "abcde"}, "tcp://s:1")


@pytest.mark.parametrize("address", ["dask:8786", "tcp://dask", "http://dask:8786", "tcp://a b:1", "tcp://:1", ""])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="write it as tcp://HOST:PORT or tls://HOST:PORT"):
        check_address(address)


@pytest.mark.parametrize("address", ["tcp://dask:8786", "tcp://[2001:db8::1]:8786"])
def test_an_address_is_taken(address: str) -> None:
    check_address(address)


def test_tls_needs_certificates() -> None:
    with pytest.raises(UsageError, match=r"needs certificates: name them below distributed\.comm\.tls"):
        check_address("tls://dask:8786")


def test_runner_and_scheduler_go_together() -> None:
    for runner, scheduler in ((Runner.DASK, None), (Runner.AUTO, "tcp://s:1"), (Runner.THREADS, "tcp://s:1")):
        with pytest.raises(UsageError, match="go together"):
            choose(runner, hosts=1, workers=1, scheduler=scheduler)
        with pytest.raises(UsageError, match="go together"):
            check_deciding_here(runner, local=False, scheduler=scheduler)
    with pytest.raises(UsageError, match="--local is one host"):
        choose(Runner.DASK, hosts=1, workers=1, local=True, scheduler="tcp://s:1")
    with pytest.raises(UsageError, match="use --runner threads, or dask"):
        check_deciding_here(Runner.PROCESSES, local=False, scheduler=None)


def test_the_site_of_a_host_is_that_of_its_group_unless_it_says_otherwise(tmp_path: Path) -> None:
    site = "connection_options: {fleet: {extras: {site: %s}}}"
    (tmp_path / "groups.yaml").write_text(f"west: {{{site % 'eu-west'}}}\n")
    (tmp_path / "hosts.yaml").write_text(f"a: {{groups: [west]}}\nb: {{groups: [west], {site % 'eu-2'}}}\nc:\n")
    hosts = FleetInventory(str(tmp_path)).load().hosts
    found = {name: (hosts[name].get_connection_parameters("fleet").extras or {}).get("site") for name in hosts}
    assert found == {"a": "eu-west", "b": "eu-2", "c": None}
    (tmp_path / "hosts.yaml").write_text(f"a: {{{site % 'eu=1'}}}\n")
    with pytest.raises(DocumentError, match="site"):
        FleetInventory(str(tmp_path)).load()
