"""The checker on a node that systemd runs: planned, applied, started by its timer, and taken back."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.node import NONCE, RUN, Node, job, until
from support.plans import judged, planned
from support.systemd_node import SystemdNode, systemd_node

from fleet.facts import ProbeRequest, parse_answer, probe_arguments, probe_script
from fleet.model.facts import NodeFacts
from fleet.policy import Policy, load_playbook, needed_files, needed_keys
from fleet.rollout.node import apply_program, confirm_program, undo_program

pytestmark = pytest.mark.root

FIN = "net.ipv4.tcp_fin_timeout"
FILE = "/etc/sysctl.d/90-fleet.conf"
METRICS = "/var/lib/metrics/fleet_check.prom"
STATUS = "/var/lib/fleet-check/status.json"
PLAYBOOK = (
    "name: Checks itself\nprofiles: [conntrack]\non_node: {every: 1m, textfile_dir: /var/lib/metrics}\ncontrols:\n"
    f"  - {{id: fin, title: t, impact: low, why: w, setting: {{sysctl: {FIN}}}, expect: {{equals: 33}}, set: 33}}\n"
)
LEFT = [f"conntrack-{name}" for name in ("invalid-protection", "protection-after-restart", "protection-after-reboot")]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[SystemdNode]:
    base = tmp_path / "machine"
    base.mkdir()
    with systemd_node(base) as built:
        yield built


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    path = tmp_path / "play.yaml"
    path.write_text(PLAYBOOK)
    return load_playbook(path)


def facts_of(node: Node, policy: Policy) -> NodeFacts:
    request = ProbeRequest(keys=needed_keys(policy), files=needed_files(policy))
    with node.start(arguments=("-s", "--", *probe_arguments(NONCE, request))) as process:
        answer, _ = process.communicate(probe_script(), timeout=60)
    return parse_answer(answer, nonce=NONCE, host="node-1")


def status(node: Node) -> Any:  # noqa: ANN401 JSON
    return json.loads(node.at(STATUS).read_bytes())


def check_now(node: Node) -> Any:  # noqa: ANN401 JSON
    node.run("systemctl", "start", "fleet-check.service")
    return status(node)


def test_a_node_checks_itself_from_apply_to_rollback(machine: SystemdNode, policy: Policy) -> None:
    node = machine.boot()
    node.at("/var/lib/metrics").mkdir()
    plan = planned(policy, facts_of(node, policy))
    assert [each.target for each in plan.changes if each.kind == "unit"] == ["fleet-check.timer"]
    assert [each.control for each in plan.kept if each.why == "unjudged"] == LEFT
    assert any("cannot judge conntrack-invalid-protection" in risk for risk in plan.risks)
    answer = node.ask(apply_program(NONCE, job(), plan))
    assert (answer.outcome, answer.notes) == ("applied", ()), answer
    assert node.ask(confirm_program(NONCE, RUN)).outcome == "confirmed"
    # Nobody but the timer has started it.
    until(node.at(METRICS).exists, "the first check by the timer")
    told = node.at(METRICS).read_text()
    assert 'fleet_node_control_violated{playbook="Checks itself",control="fin",impact="low"} 0\n' in told
    assert f'fleet_node_file_changed{{playbook="Checks itself",path="{FILE}"}} 0\n' in told
    first = status(node)
    assert first["controls"]["fin"] == {"status": "pass", "impact": "low", "reason": "is 33"}
    assert (first["moved"], first["files"]) == ([], {FILE: "ok"} | dict.fromkeys(first["files"], "ok"))
    assert sorted(each for each, one in first["controls"].items() if one["status"] == "unjudged") == sorted(LEFT)
    facts = facts_of(node, policy)
    expected = {each.control: each.status for each in judged(policy, facts).findings if each.control not in LEFT}
    assert {id_: one["status"] for id_, one in first["controls"].items() if id_ not in LEFT} == expected
    again = planned(policy, facts)
    assert (again.changes, again.risks) == ((), ())
    # A value by hand, then a file.
    node.set_value(FIN, "300")
    drifted = check_now(node)
    assert (drifted["verdict"], drifted["controls"]["fin"]["reason"]) == ("drift", "is 300, expected 33")
    assert 'control="fin",impact="low"} 1\n' in node.at(METRICS).read_text()
    node.set_value(FIN, "33")
    node.at(FILE).write_text(f"{FIN} = 5\n")
    edited = check_now(node)
    assert (edited["files"][FILE], f"{FILE} has changed" in edited["moved"]) == ("changed", True)
    assert edited["controls"]["fin"]["status"] == "unknown"
    # All of it goes away with the run.
    assert node.ask(undo_program(NONCE, RUN, force=True)).outcome == "undone"
    assert node.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "fleet-check*") == ""
    assert not node.at("/etc/fleet").exists()
    assert not node.at("/etc/systemd/system/timers.target.wants").exists()
    assert node.leftovers() == []


def test_the_timer_starts_it_again_after_a_boot(machine: SystemdNode, policy: Policy) -> None:
    node = machine.boot()
    node.at("/var/lib/metrics").mkdir()
    assert node.ask(apply_program(NONCE, job(), planned(policy, facts_of(node, policy)))).outcome == "applied"
    assert node.ask(confirm_program(NONCE, RUN)).outcome == "confirmed"
    machine.cut_the_power()
    node = machine.boot()
    until(node.at(METRICS).exists, "the check after the boot")
    assert status(node)["controls"]["fin"]["status"] == "pass"
