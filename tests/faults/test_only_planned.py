"""What a rollout touches on a node besides what is planned: nothing."""

import json
from pathlib import Path

import pytest
from support.cli import fleet
from support.fault_cells import prepare_node
from support.faults import fault_nodes
from support.lab import running_lab
from support.rollouts import PLANNED, save_plan, write_playbook

pytestmark = pytest.mark.root


def test_only_planned_settings_change_and_a_rollback_gives_all_back(tmp_path: Path) -> None:
    with running_lab(tmp_path / "lab", 4, name="planned") as built, fault_nodes(built, tmp_path / "lab") as nodes:
        for node in nodes:
            prepare_node(node)
        before = {node.name: (node.state(), node.machine_values()) for node in nodes}
        plan = save_plan(built, write_playbook(tmp_path), tmp_path)
        done = fleet("apply", plan, "-i", built.inventory, "--yes", "-f", "json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        run = json.loads(done.stdout)["run"]["id"]
        for node in nodes:
            state, machine = before[node.name]
            assert len(state.values) + len(machine) > 500
            assert node.machine_values() == machine
            now = node.state().values
            assert {key: value.strip() for key, value in now.items() if value != state.values[key]} == PLANNED
        done = fleet("rollback", run, "-i", built.inventory, "--yes", "-f", "json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        for node in nodes:
            state, machine = before[node.name]
            assert node.state().unlike(state) == []
            assert node.machine_values() == machine
            assert node.leftovers() == []
            calls = node.calls()
            # Both the apply and the rollback were seen.
            assert sum(call.startswith("flock ") for call in calls) >= 3
            assert not [call for call in calls if call.startswith("sysctl ") or "systemd-sysctl" in call]
