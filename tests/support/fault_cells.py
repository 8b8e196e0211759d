"""One cell of the fault matrix: a real ``fleet apply`` to a real node, a fault at a known moment, what comes of it."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jsonschema
from support.cli import FLEET, fleet
from support.faults import DEADLINE, FaultNode, State, Trap, until

from fleet.model.rollout import CommandGate
from fleet.plan import Change, FileState, NodePlan, Plan, save_plan
from fleet.report.schema import schemas

OLD, NEW, EITHER = frozenset({"old"}), frozenset({"new"}), frozenset({"old", "new"})
MADE, NEW_FILE = ("/etc/fleet-made", "/etc/fleet-made/deep"), "/etc/fleet-made/deep/new.conf"
GONE = "/etc/sysctl.d/60-gone.conf"
FILE = "/etc/sysctl.d/90-fleet.conf"
BOOT = "/etc/local.d/00-boot.start"
# What a boot does with the files: the lab's nodes have nothing that does.
LOAD_FILES = """#!/bin/sh
for file in /etc/sysctl.d/*fleet.conf; do
    while read -r key _ value; do
        case $key in
            net.*) printf '%s\\n' "$value" >"/proc/sys/$(echo "$key" | tr . /)" ;;
        esac
    done <"$file"
done
"""
GATE = """#!/bin/sh
# The gate of the batch, on the controller: passes, fails, or says that it was reached and waits. Usage: gate FOLDER
case $(cat "$1/gate") in
    fail) exit 1 ;;
    hold)
        echo reached >"$1/held/reached"
        read -r _ <"$1/held/go"
        ;;
esac
"""
TIMED, UNTIMED = 15, 120


@dataclass(frozen=True)
class Phase:
    """A moment of a rollout.

    Attributes:
        pattern: of the call of a program on the node at which it is stopped; KEY1 and KEY2 are the first two settings.
        number: of that call.
        gate: what the gate does: nothing where it is empty, since then there is none.
    """

    name: str
    pattern: str = ""
    number: int = 1
    gate: str = ""


@dataclass
class Cell:
    """One node, one controller, one moment.

    Attributes:
        folder: the controller's.
        plan: of this node only.
        patience: seconds that the controller waits for a command of the node.
        notes: what was reported, and what the node ended in.
        old: the node before, and again after, unless it is new.
    """

    node: FaultNode
    phase: Phase
    folder: Path
    plan: Plan
    patience: int = 40
    old: State = field(init=False)
    trap: Trap | None = None
    controller: subprocess.Popen[str] | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def node_plan(self) -> NodePlan:
        plan = self.plan.hosts[self.node.name].plan
        assert plan is not None
        return plan

    @property
    def changes(self) -> tuple[Change, ...]:
        return self.node_plan.changes

    @property
    def keys(self) -> list[str]:
        return [change.target for change in self.changes if change.kind == "sysctl"]

    @property
    def new(self) -> State:
        return self.old.changed_by(self.changes, MADE)

    @property
    def plan_file(self) -> Path:
        return self.folder / "plan.json"

    @property
    def state_dir(self) -> Path:
        return self.folder / "state"

    @property
    def run_id(self) -> str:
        [run] = (self.state_dir / "runs").iterdir()
        return run.name

    def arguments(self, *more: str | Path, state: str = "state") -> list[str | Path]:
        # A history of its own for each cell would take as long to make as the rest.
        options = ("--history", "none", "--command-timeout", str(self.patience), "--connect-timeout", "4")
        inventory = self.node.built.inventory
        return ["apply", *more, "-i", inventory, "--yes", "-f", "json", "--state-dir", self.folder / state, *options]

    def save(self, within: float) -> None:
        """Write the plan, with a time to confirm that fits the cell."""
        gated = bool(self.phase.gate)
        rollout = replace(
            self.plan.rollout,
            # Soak and gates have to fit in; and a run that is resumed needs the time of its gate once more.
            confirm_within=float(within + 8 * gated),
            gates=(
                CommandGate(
                    command=("sh", str(self.folder / "gate.sh"), str(self.folder)), timeout=min(within - 3, DEADLINE)
                ),
            )
            if gated
            else (),
        )
        self.plan = replace(self.plan, rollout=rollout)
        save_plan(self.plan, self.plan_file)
        self.set_gate(self.phase.gate)
        (self.folder / "gate.sh").write_text(GATE)

    def set_gate(self, does: str) -> None:
        (self.folder / "gate").write_text(f"{does}\n")

    def with_changes(self, changes: Sequence[Change]) -> None:
        name, host = next(iter(self.plan.hosts.items()))
        plan = replace(self.node_plan, changes=tuple(changes))
        self.plan = replace(self.plan, hosts={name: replace(host, plan=plan)})

    def start(self) -> None:
        """Set the trap of the phase and start the controller."""
        if self.phase.gate == "hold":
            self.trap = Trap(self.folder / "held")
            self.node.traps.append(self.trap)
        elif self.phase.pattern:
            pattern = self.phase.pattern
            for number, key in enumerate(self.keys[:2], start=1):
                pattern = pattern.replace(f"KEY{number}", f"/proc/sys/{key.replace('.', '/')}")
            self.trap = self.node.set_trap(pattern, self.phase.number)
        with (self.folder / "out").open("w") as out, (self.folder / "err").open("w") as err:
            self.controller = subprocess.Popen(
                [FLEET, *map(str, self.arguments(self.plan_file))],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                text=True,
                start_new_session=True,
            )

    def wait_for_trap(self) -> None:
        if self.trap is None:
            return
        assert self.controller is not None
        trap, controller = self.trap, self.controller
        until(lambda: trap.is_reached() or controller.poll() is not None, f"the trap {self.phase.name}")
        assert trap.is_reached(), f"the controller ended before: {self.said()}"

    def release(self) -> None:
        # The gate that waits may have lost its controller: then it takes the word to go on from the gate of the next.
        if self.phase.gate == "hold":
            self.set_gate("pass")
        if self.trap is not None:
            self.trap.release()

    def kill_controller(self) -> None:
        assert self.controller is not None
        self.controller.send_signal(signal.SIGKILL)

    def end(self) -> int:
        """Wait for the controller's end; gives its exit code."""
        assert self.controller is not None
        return self.controller.wait(timeout=DEADLINE)

    def said(self) -> str:
        return (self.folder / "out").read_text() + (self.folder / "err").read_text()

    def which(self) -> str:
        """Whether the node is old or new; fails where it is neither."""
        now = self.node.state()
        if not (from_old := now.unlike(self.old)):
            return "old"
        from_new = now.without_times().unlike(self.new)
        assert not from_new, f"neither as before: {from_old}\nnor as after: {from_new}"
        return "new"

    def wait_for_rest(self) -> None:
        """Wait until nothing of a run is left at work or lying about on the node."""
        try:
            until(lambda: not self.node.leftovers(), "the node to be at rest", every=0.3)
        except AssertionError:
            raise AssertionError(f"left on the node: {self.node.leftovers()} {self.node.run_states()}") from None

    def check_truth(self, code: int, out: str) -> None:
        """Hold what the controller has reported against the node as it is now."""
        data = json.loads(out)
        jsonschema.Draft202012Validator(schemas()["apply"]).validate(data)
        [host] = data["hosts"].values()
        self.notes["report"] = [code, data["run"]["status"], host["status"], host["node"], host["error"]]
        well = (host["status"], host["node"]) in {("changed", "after"), ("noop", "before")}
        stopped = data["run"]["status"] in {"stopped", "undone"}
        assert code == (4 if stopped else 0 if well else 1), self.notes
        assert well or host["error"] or host["notes"], self.notes
        foreign = host["error"] is not None and host["error"]["kind"] == "locked"
        if host["node"] == "after":
            assert self.which() == "new", self.notes
            states = self.node.run_states().values()
            assert "confirmed" in states, self.notes
            assert not {"armed", "applied", "undoing"} & set(states), states
        elif host["node"] == "before" and not foreign and host["status"] != "noop":
            assert self.which() == "old", self.notes
        elif host["node"] == "pending":
            assert host["undo_at"], self.notes


def prepare_node(node: FaultNode) -> None:
    """What the plans are about: files with modes, owners and times of their own, and values that they have set."""
    file = node.at(FILE)
    node.at("/etc/ssh/sshd_config.d").mkdir(exist_ok=True)
    file.write_text(
        "# Managed by fleet: change the playbook, not this file.\n"
        "net.ipv4.tcp_fin_timeout = 55\nnet.ipv4.tcp_keepalive_time = 7100\n"
    )
    node.at(GONE).write_text("# nothing\n")
    file.chmod(0o640)
    os.chown(file, 7, 8)
    os.utime(file, (1_000_000_000, 1_000_000_000))
    node.at(BOOT).write_text(LOAD_FILES)
    node.at(BOOT).chmod(0o755)
    node.run(BOOT)


def more_changes(plan: Plan) -> Plan:
    """Let the plan of each node also make a file in folders that are not there, and remove one."""
    hosts = {}
    for name, host in plan.hosts.items():
        assert host.plan is not None
        assert host.plan.preconditions is not None
        files = {**host.plan.preconditions.files, NEW_FILE: FileState(kind="absent")}
        made = _change(NEW_FILE, None, "new\n")
        gone = _change(GONE, "# nothing\n", None)
        changes = (*(each for each in host.plan.changes if each.kind == "file"), made, gone)
        changes += tuple(each for each in host.plan.changes if each.kind != "file")
        preconditions = replace(host.plan.preconditions, files=files)
        hosts[name] = replace(host, plan=replace(host.plan, changes=changes, preconditions=preconditions))
    return replace(plan, hosts=hosts)


def sysctl_change(target: str, before: str, after: str) -> Change:
    return Change(kind="sysctl", target=target, before=before, after=after, diff="", reason="a fault", controls=())


def _change(target: str, before: str | None, after: str | None) -> Change:
    return Change(
        kind="file", target=target, before=before, after=after, diff="", reason="a fault", mode=0o640, controls=()
    )


def run_fleet(cell: Cell, *more: str | Path, state: str = "state") -> subprocess.CompletedProcess[str]:
    """Another controller, to its end."""
    return fleet(*cell.arguments(*more, state=state), cwd=cell.folder)


Strike = Callable[[Cell], None]


def nothing(_cell: Cell) -> None:
    """For faults that have no such part."""


@dataclass(frozen=True)
class Fault:
    """A fault.

    Attributes:
        prepare: before the controller starts.
        save: once the plan is saved.
        strike: at the moment.
        mend: once the controller has ended, and before the node is expected to be at rest.
        ends: what a cell may end in, by phase.
        no_meaning: why a phase has no cell.
        after: once the node is at rest.
        timed: whether the timer of the node is waited for.
        held: whether the node is let go on only once the controller has ended.
        killed: whether the controller ends by that.
        traps: whether the node is stopped at the phase; else the fault stands in the plan.
        patience: as for a cell.
    """

    name: str
    ends: Mapping[str, frozenset[str]]
    no_meaning: Mapping[str, str] = field(default_factory=dict)
    prepare: Strike = nothing
    save: Strike = nothing
    strike: Strike = nothing
    mend: Strike = nothing
    timed: bool = False
    held: bool = False
    killed: bool = False
    traps: bool = True
    patience: int = 40
    after: Strike = nothing


def run_cell(node: FaultNode, fault: Fault, phase: Phase, plan: Plan, folder: Path) -> Cell:
    """Carry out one cell.

    Raises:
        AssertionError: the node is neither old nor new, something is left, or a report was untrue.
    """
    folder.mkdir(parents=True)
    own = replace(plan, hosts={node.name: plan.hosts[node.name]})
    phase_of_cell = phase if fault.traps else Phase(name=phase.name)
    cell = Cell(node=node, phase=phase_of_cell, folder=folder, plan=own, patience=fault.patience)
    try:
        carry_out(cell, fault)
    finally:
        if cell.controller is not None and cell.controller.poll() is None:
            cell.kill_controller()
            cell.end()
    return cell


def carry_out(cell: Cell, fault: Fault) -> None:
    fault.prepare(cell)
    cell.save(TIMED if fault.timed else UNTIMED)
    fault.save(cell)
    cell.old = cell.node.state()
    cell.start()
    cell.wait_for_trap()
    fault.strike(cell)
    if not fault.held:
        cell.release()
    code = cell.end()
    if fault.killed:
        assert code == -signal.SIGKILL
    elif "refused" in cell.notes:
        assert code == 2, cell.said()
        assert cell.notes["refused"] in cell.said()
        assert not cell.node.calls()
    else:
        cell.check_truth(code, (cell.folder / "out").read_text())
    if fault.held:
        cell.release()
    fault.mend(cell)
    cell.wait_for_rest()
    cell.notes["end"] = cell.which()
    assert cell.notes["end"] in fault.ends[cell.phase.name], cell.notes
    fault.after(cell)
    cell.wait_for_rest()
    calls = cell.node.calls()
    assert calls or "refused" in cell.notes
    forbidden = [call for call in calls if call.startswith(("sysctl ", "systemctl restart systemd-sysctl"))]
    assert not forbidden


def resume(cell: Cell) -> None:
    """Take the run up again: what is said then is true."""
    done = run_fleet(cell, "--resume", cell.run_id)
    if done.returncode == 2:
        cell.notes["resume"] = done.stderr
        assert "nothing to go on with" in done.stderr or "was stopped" in done.stderr, done.stderr
        return
    cell.check_truth(done.returncode, done.stdout)
    cell.wait_for_rest()
    cell.notes["resumed"] = cell.which()
