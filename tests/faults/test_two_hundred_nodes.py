"""A rollout over 200 nodes of which three die on the way."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.faults import FaultNode, fault_nodes, until
from support.lab import running_lab
from support.rollouts import PLANNED, ended, save_plan, started, wait_for_events, write_playbook

from fleet import lab
from fleet.plan import Plan, load_plan
from fleet.plan import save_plan as write_plan

pytestmark = pytest.mark.root

NODES = 200
# What each that dies is about to do: to have its undo armed, to write files, to say that all is written.
DYING = ("setsid *", "sync /etc/local.d", "mv -f *state.armed *state.applied")
# What a node keeps for the next contact if it dies before its undo is armed; nothing else is changed by then.
UNARMED = {"/etc/local.d/.fleet-undo", "/var/lib/fleet/.fleet-pending", "/var/lib/fleet/pending"}


@contextmanager
def prepared(base: Path) -> Iterator[tuple[lab.Lab, dict[str, FaultNode], Plan]]:
    with running_lab(base / "lab", NODES, name="many") as built, fault_nodes(built, base / "lab") as nodes:
        yield built, {node.name: node for node in nodes}, load_plan(save_plan(built, write_playbook(base), base))


def settings(node: FaultNode) -> list[str]:
    return node.run(f"cd /proc/sys/net && cat {' '.join(PLANNED)}; cat /etc/sysctl.d/*fleet.conf", check=False).split()


def roll_out(
    built: lab.Lab, plan: Plan, base: Path, dying: list[FaultNode], **rollout: object
) -> tuple[int, Mapping[str, Any]]:
    """Apply, and end nodes of the second batch while they are being changed."""
    state = base / f"state-{plan.run_id}"
    file = base / f"{state.name}.json"
    write_plan(replace(plan, rollout=replace(plan.rollout, **rollout)), file)  # type: ignore[arg-type] # as the caller names them
    limits = ("--connect-timeout", "5", "--command-timeout", "20")
    arguments = ("apply", file, "-i", built.inventory, "--yes", "-f", "json", "--state-dir", state, *limits)
    traps = [node.set_trap(pattern, 1) for node, pattern in zip(dying, DYING, strict=True)]
    with started(*arguments, cwd=base) as process:
        wait_for_events(state, 2, event="intent", phase="apply")
        for node, trap in zip(dying, traps, strict=True):
            until(trap.is_reached, node.name)
            lab.kill(built, node.name)
        code, out, error = ended(process)
    assert out, error
    return code, json.loads(out)


def test_three_dying_nodes_stop_the_rollout_or_do_not_as_the_playbook_says(tmp_path: Path) -> None:
    with prepared(tmp_path) as (built, nodes, plan):
        names = list(plan.hosts)
        old = {name: settings(node) for name, node in nodes.items()}
        # Of the second batch, and not among those that are changed first.
        dying = names[50 : 50 + len(DYING)]
        dead = [nodes[name] for name in dying]

        code, data = roll_out(built, plan, tmp_path, dead, serial=(20, 40), max_fail_percentage=5.0)
        assert (code, data["run"]["status"]) == (4, "undone")
        assert "3 of 40 hosts failed, which is 7.5 %" in data["run"]["stopped_by"]
        assert [batch["hosts"] for batch in data["batches"]] == [names[:20], names[20:60]]
        hosts = data["hosts"]
        assert {hosts[name]["status"] for name in names[:20]} == {"changed"}
        assert {hosts[name]["node"] for name in names[20:60] if name not in dying} == {"before"}
        assert {hosts[name]["status"] for name in names[60:]} == {"not-reached"}
        assert all(hosts[name]["status"] in {"failed", "unreachable"} for name in dying)
        for node in dead:
            node.reboot()
        for name, node in nodes.items():
            assert (settings(node) == old[name]) == (name not in names[:20]), name
            assert set(node.leftovers()) <= (UNARMED if name in dying else set()), name

        # The rest: what is changed already says so.
        again = load_plan(save_plan(built, write_playbook(tmp_path), tmp_path))
        code, data = roll_out(built, again, tmp_path, dead, serial=(20, "50%"), max_fail_percentage=5.0)
        assert (code, data["run"]["status"]) == (1, "done")
        assert data["summary"] | {"failed": 0, "unreachable": 0} == {
            "hosts": NODES,
            "changed": NODES - 20 - len(DYING),
            "noop": 20,
            "undone": 0,
            "failed": 0,
            "unreachable": 0,
            "not_reached": 0,
        }
        for node in dead:
            node.reboot()
        for name, node in nodes.items():
            assert (settings(node) == old[name]) == (name in dying), name
            assert set(node.leftovers()) <= (UNARMED if name in dying else set()), name
