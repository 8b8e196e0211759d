"""Rollouts over SSH to real nodes, whose values and files are looked at behind fleet's back."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fakenodes import Watcher
from support.lab import running_lab, ssh
from support.plans import FIN, TEMPLATES, playbook_of

from fleet import lab
from fleet.model.rollout import RunResult
from fleet.plan import Plan
from fleet.policy import Policy
from fleet.rollout import ApplyRequest, ResumeRequest, RollbackRequest, apply, resume, rollback, runs
from fleet.runner.fleet import Fleet
from fleet.runner.inventory import FleetInventory
from fleet.runner.plan import plan
from fleet.transport import SshTransport

pytestmark = pytest.mark.root

FILE = "/etc/sysctl.d/90-fleet.conf"
ROLLOUT = "rollout: {serial: [1, 5], gates: [verify], confirm_within: 60s}\n"
_numbers = iter(range(31, 10_000))


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lab.Lab]:
    with running_lab(tmp_path_factory.mktemp("state"), 6) as built:
        yield built


class Site:
    """A lab, and a playbook that wants a value that no test before has wanted."""

    def __init__(self, built: lab.Lab, tmp_path: Path, rollout: str = ROLLOUT) -> None:
        self.built = built
        self.state_dir = tmp_path / ".fleet"
        self.value = str(next(_numbers))
        setting = f"setting: {{sysctl: {FIN}}}, expect: {{equals: {self.value}}}, set: {self.value}"
        self.policy: Policy = playbook_of(tmp_path, setting, more=rollout)
        self.names = tuple(node.name for node in built.nodes)
        with self.fleet() as fleet:
            self.plan: Plan = plan(fleet, self.policy, hosts=self.names, playbook="play.yaml", templates=TEMPLATES)

    def fleet(self) -> Fleet:
        return Fleet(FleetInventory(str(self.built.inventory)).load(), SshTransport(), workers=6)

    def apply(self, watcher: Watcher | None = None) -> RunResult:
        watcher = watcher or Watcher()
        request = ApplyRequest(
            plan=self.plan, hosts=self.names, state_dir=self.state_dir, who="me@here", policy=self.policy
        )
        with self.fleet() as fleet:
            return apply(fleet, request, watcher, watcher.stop)

    def resume(self) -> RunResult:
        run = runs(self.state_dir)[0][0].result.run_id
        request = ResumeRequest(run_id=run, state_dir=self.state_dir, who="me@here", policy=self.policy)
        with self.fleet() as fleet:
            return resume(fleet, request, Watcher(), threading.Event())

    def rollback(self, run: str) -> RunResult:
        request = RollbackRequest(run_id=run, hosts=None, state_dir=self.state_dir, who="me@here")
        with self.fleet() as fleet:
            return rollback(fleet, request, Watcher(), threading.Event())

    def live(self) -> list[str]:
        return [self.on(name, f"cat /proc/sys/{FIN.replace('.', '/')}").strip() for name in self.names]

    def files(self) -> list[str]:
        return [
            self.on(name, f"cat {FILE} 2>/dev/null; stat -c '%a %U' {FILE} 2>/dev/null; true") for name in self.names
        ]

    def left(self) -> list[str]:
        """What a run has left on the nodes beside its records."""
        look = "ls -A /var/lib/fleet | grep -vx -e runs -e lock; pgrep -af '[u]ndo.sh'; find /etc -name '.fleet-*'; :"
        return [line for name in self.names for line in self.on(name, look).splitlines()]

    def on(self, node: str, command: str) -> str:
        done = ssh(self.built, node, command)
        assert done.returncode == 0, done.stderr
        return done.stdout


def test_a_plan_is_applied_is_then_in_place_and_can_be_taken_back(six: lab.Lab, tmp_path: Path) -> None:
    site = Site(six, tmp_path)
    live, files = site.live(), site.files()
    result = site.apply()
    assert result.status == "done", result
    assert {(host.status, host.node) for host in result.hosts.values()} == {("changed", "after")}
    assert [[gate.kind for gate in batch.gates] for batch in result.batches] == [["verify"], ["verify"]]
    assert site.live() == [site.value] * 6
    assert site.left() == []
    again = site.apply()
    assert {host.status for host in again.hosts.values()} == {"noop"}, again
    taken_back = site.rollback(result.run_id)
    assert {(host.status, host.node) for host in taken_back.hosts.values()} == {("undone", "before")}, taken_back
    assert (site.live(), site.files()) == (live, files)
    assert site.left() == []


def test_a_gate_that_fails_in_the_second_batch_leaves_the_canary_and_restores_the_others(
    six: lab.Lab, tmp_path: Path
) -> None:
    gate = "{command: {run: [sh, -c, 'test \"$FLEET_BATCH\" = 1']}}"
    site = Site(six, tmp_path, f"rollout: {{serial: [1, 5], gates: [{gate}]}}\n")
    live, files = site.live(), site.files()
    result = site.apply()
    assert (result.status, [host.status for host in result.hosts.values()]) == ("undone", ["changed"] + 5 * ["undone"])
    assert site.live()[1:] == live[1:]
    assert site.files()[1:] == files[1:]
    assert site.live()[0] == site.value
    assert site.left() == []
    site.rollback(result.run_id)
    assert (site.live(), site.files()) == (live, files)


def test_a_node_that_has_moved_since_the_plan_refuses_and_says_what(six: lab.Lab, tmp_path: Path) -> None:
    site = Site(six, tmp_path, "rollout: {max_fail_percentage: 100}\n")
    live = site.live()
    moved = site.names[2]
    site.on(moved, f"echo 77 >/proc/sys/{FIN.replace('.', '/')}")
    try:
        result = site.apply()
    finally:
        site.on(moved, f"echo {live[2]} >/proc/sys/{FIN.replace('.', '/')}")
    host = result.hosts[moved]
    assert host.error is not None
    assert (host.status, host.node, host.error.kind) == ("failed", "before", "stale")
    assert f"{FIN} was {live[2]}" in host.error.message or "77" in host.error.message
    assert [each.status for each in result.hosts.values()].count("changed") == 5
    site.rollback(result.run_id)
    assert site.live() == live


def test_a_run_whose_controller_ends_is_undone_by_the_nodes_and_rolled_out_again_by_resume(
    six: lab.Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(six, tmp_path, "rollout: {serial: [2, 4], confirm_within: 30s}\n")
    live = site.live()

    def gone(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
        patch.setattr("fleet.rollout.batch.Batch.confirm", gone)
        site.apply()
    assert site.live() == [site.value] * 2 + live[2:]
    assert [each.result.status for each in runs(site.state_dir)[0]] == ["running"]
    for name in site.names[:2]:
        site.on(name, "while [ -e /var/lib/fleet/pending ]; do sleep 0.2; done")
    assert site.live() == live
    result = site.resume()
    assert result.status == "done", result
    assert site.live() == [site.value] * 6
    assert site.left() == []
    site.rollback(result.run_id)
    assert site.live() == live


def test_a_stop_during_the_change_leaves_no_node_half_changed(six: lab.Lab, tmp_path: Path) -> None:
    site = Site(six, tmp_path)
    live, files = site.live(), site.files()
    result = site.apply(Watcher(stop_at=(site.names[3], "apply")))
    assert result.status == "interrupted"
    assert [host.node for host in result.hosts.values()] == ["after"] + 5 * ["before"]
    assert (site.live()[1:], site.files()[1:]) == (live[1:], files[1:])
    assert site.left() == []
    site.rollback(result.run_id)
    assert site.live() == live
