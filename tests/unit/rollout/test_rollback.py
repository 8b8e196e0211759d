"""Taking back a run: which hosts, when it is refused, and what is told."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.fakenodes import PLAN, WANTED, WAS, FakeNodes, Watcher, fake_nodes, names, plan
from support.kernel import node, process
from support.plans import FILE, LIBERAL

from fleet.model.errors import UsageError
from fleet.model.facts import InvalidRule, NodeFacts
from fleet.model.rollout import Rollout, RunResult
from fleet.plan import Change, NodePlan, Preconditions
from fleet.rollout import ApplyRequest, RollbackRequest, apply, plan_of, rollback, runs
from fleet.rollout.trap import is_about_protection, unprotected

__all__ = ["fake_nodes"]

Make = Callable[..., FakeNodes]
HOSTS = names(4)


def carry_out(nodes: FakeNodes, state_dir: Path, rollout: Rollout | None = None) -> RunResult:
    with nodes.fleet() as fleet:
        made = plan(nodes.nodes, rollout or Rollout(serial=(2,), max_fail_percentage=100))
        request = ApplyRequest(plan=made, hosts=tuple(nodes.nodes), state_dir=state_dir, who="me")
        return apply(fleet, request, Watcher(), Watcher().stop)


def take_back(
    nodes: FakeNodes, state_dir: Path, run: str, *hosts: str, force: bool = False, watcher: Watcher | None = None
) -> RunResult:
    watcher = watcher or Watcher()
    with nodes.fleet(workers=1) as fleet:
        request = RollbackRequest(run_id=run, hosts=hosts or None, state_dir=state_dir, who="me", force=force)
        return rollback(fleet, request, watcher, watcher.stop)


def test_a_run_is_taken_back_on_every_host_that_it_changed(fake_nodes: Make, tmp_path: Path) -> None:
    nodes = fake_nodes(HOSTS)
    nodes.faults["n002", "apply"] = "refuses"
    done = carry_out(nodes, tmp_path)
    result = take_back(nodes, tmp_path, done.run_id)
    assert (result.kind, result.plan_run, result.status) == ("rollback", done.run_id, "done")
    assert {name: (host.status, host.node) for name, host in result.hosts.items()} == dict.fromkeys(
        ("n001", "n003", "n004"), ("undone", "before")
    )
    assert {node.value for node in nodes.nodes.values()} == {WAS}
    assert result.hosts["n001"].changes[0].status == "undone"
    assert [each.result.kind for each in runs(tmp_path)[0]] == ["rollback", "apply"]
    assert plan_of(result.run_id, tmp_path) == plan_of(done.run_id, tmp_path)


def test_the_second_time_it_is_undone_already(fake_nodes: Make, tmp_path: Path) -> None:
    nodes = fake_nodes(HOSTS)
    done = carry_out(nodes, tmp_path)
    assert take_back(nodes, tmp_path, done.run_id).hosts.keys() == set(HOSTS)
    again = take_back(nodes, tmp_path, done.run_id)
    assert {host.node for host in again.hosts.values()} == {"before"}


def test_only_the_hosts_that_are_meant(fake_nodes: Make, tmp_path: Path) -> None:
    nodes = fake_nodes(HOSTS)
    done = carry_out(nodes, tmp_path)
    assert list(take_back(nodes, tmp_path, done.run_id, "n003").hosts) == ["n003"]
    assert [node.value for node in nodes.nodes.values()] == [WANTED, WANTED, WAS, WANTED]
    with pytest.raises(UsageError, match="is not about the host n9"):
        take_back(nodes, tmp_path, done.run_id, "n9")
    with pytest.raises(UsageError, match="is a rollback, which cannot be taken back"):
        take_back(nodes, tmp_path, runs(tmp_path)[0][0].result.run_id)


def test_hosts_whose_end_is_not_known_are_taken_back_too(fake_nodes: Make, tmp_path: Path) -> None:
    nodes = fake_nodes(names(1))
    nodes.faults["n001", "confirm"] = "lost-after"
    nodes.at = lambda _host, step: nodes.faults.update({("n001", "open"): "unreachable"}) if step == "confirm" else None
    nodes.lasting.add(("n001", "open"))
    done = carry_out(nodes, tmp_path)
    assert done.hosts["n001"].node == "unknown"
    assert nodes.nodes["n001"].value == WANTED
    nodes.faults.clear()
    result = take_back(nodes, tmp_path, done.run_id)
    assert (result.hosts["n001"].status, nodes.nodes["n001"].value) == ("undone", WAS)


def test_a_node_that_has_moved_since_refuses_and_says_so(fake_nodes: Make, tmp_path: Path) -> None:
    nodes = fake_nodes(names(2))
    done = carry_out(nodes, tmp_path)
    nodes.faults["n001", "undo"] = "moved"
    host = take_back(nodes, tmp_path, done.run_id).hosts["n001"]
    assert host.error is not None
    assert (host.status, host.node, host.error.kind) == ("failed", "after", "moved")
    assert nodes.nodes["n001"].value == WANTED


def test_a_host_that_cannot_be_reached_is_not_told_to_be_back(fake_nodes: Make, tmp_path: Path) -> None:
    nodes = fake_nodes(names(2))
    done = carry_out(nodes, tmp_path)
    nodes.faults["n001", "open"] = "unreachable"
    result = take_back(nodes, tmp_path, done.run_id)
    assert (result.hosts["n001"].status, result.hosts["n001"].node) == ("unreachable", "after")


def test_a_stop_leaves_the_other_hosts_as_they_are(fake_nodes: Make, tmp_path: Path) -> None:
    nodes = fake_nodes(HOSTS)
    done = carry_out(nodes, tmp_path)
    result = take_back(nodes, tmp_path, done.run_id, watcher=Watcher(stop_at=("n002", "undo")))
    assert (result.status, result.stopped_by) == (
        "interrupted",
        "interrupted by the operator before 2 hosts were reached",
    )
    assert [(host.status, host.node) for host in result.hosts.values()] == [
        ("undone", "before"),
        ("undone", "before"),
        ("not-reached", "after"),
        ("not-reached", "after"),
    ]


LIBERAL_LIVE = Change(kind="sysctl", target=LIBERAL, before="0", after="1", diff="", reason="", controls=())
LIBERAL_FILE = Change(kind="file", target=FILE, before=None, after=f"{LIBERAL} = 1\n", diff="", reason="", controls=())
BY_RULE = Preconditions(
    boot_id=None, files={}, live={LIBERAL: "0"}, writers=(), protected=("now", "after_proxy_restart", "after_reboot")
)
TRAP = replace(PLAN, changes=(LIBERAL_FILE, LIBERAL_LIVE), next_boot={LIBERAL: "1"}, preconditions=BY_RULE)
RULE = InvalidRule(
    backend="iptables-nft", text="-A KUBE-FORWARD -m conntrack --ctstate INVALID -m nfacct --nfacct-name x -j DROP"
)


def trapped(**overrides: object) -> NodeFacts:
    return node(
        sysctls={LIBERAL: "1"},
        files={FILE: f"{LIBERAL} = 1\n", "/etc/modules-load.d/n.conf": "nf_conntrack\n"},
        processes=(process("kube-proxy", "--proxy-mode=iptables"),),
        **overrides,
    )


def test_be_liberal_is_not_taken_back_where_nothing_else_protects_the_node() -> None:
    [reason] = [each for each in unprotected(TRAP, trapped()) if each.startswith("now")]
    assert reason == (
        "now the node is protected by be_liberal, was protected before the run too, and would then not be:"
        " nf_conntrack_tcp_be_liberal is 0 and no rule drops INVALID segments"
    )


def test_a_node_that_nothing_protected_before_may_be_as_it_was() -> None:
    assert not unprotected(replace(TRAP, preconditions=replace(BY_RULE, protected=())), trapped())


def test_where_the_rule_is_there_it_may_be_taken_back() -> None:
    assert not [each for each in unprotected(TRAP, trapped(invalid_rules=(RULE,))) if each.startswith("now")]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [(PLAN, False), (TRAP, True), (replace(PLAN, next_boot={LIBERAL: "1"}), True)],
)
def test_other_plans_need_no_look(changed: NodePlan, expected: bool) -> None:  # noqa: FBT001 a table
    assert is_about_protection(changed) is expected


def test_the_trap_is_refused_unless_it_is_forced(
    fake_nodes: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = fake_nodes(names(1))
    done = carry_out(nodes, tmp_path)
    monkeypatch.setattr("fleet.rollout.session.Session.node_plan", lambda _self, _name: TRAP)
    nodes.nodes["n001"].facts = trapped()
    host = take_back(nodes, tmp_path, done.run_id).hosts["n001"]
    assert host.error is not None
    assert (host.status, host.node, host.error.kind) == ("failed", "after", "refused")
    assert "the node is protected by be_liberal, was protected before" in host.error.message
    assert nodes.nodes["n001"].runs == {done.run_id: "confirmed"}
    assert take_back(nodes, tmp_path, done.run_id, force=True).hosts["n001"].status == "undone"
