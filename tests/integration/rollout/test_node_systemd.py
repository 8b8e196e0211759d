"""The undo on a node that systemd runs: its timer, its unit for the next boot, and the units of a plan."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.node import NONCE, RUN, SOON, Node, file_change, job, plan, sysctl_change, until
from support.systemd_node import SystemdNode, systemd_node

from fleet.plan.model import Change
from fleet.rollout.node import apply_program, confirm_program, status_program, undo_program

pytestmark = pytest.mark.root

FILE = "/etc/sysctl.d/90-fleet.conf"
FIN = "net.ipv4.tcp_fin_timeout"
UNIT = "/etc/systemd/system/fleet-thing.service"
SERVICE = "[Unit]\nDescription=A thing\n[Service]\nExecStart=/bin/{}\n[Install]\nWantedBy=multi-user.target\n"
OLD, NEW = f"{FIN} = 45\n", f"{FIN} = 30\n"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[SystemdNode]:
    with systemd_node(tmp_path) as built:
        yield built


def unit(target: str, before: str, after: str) -> Change:
    return Change(kind="unit", target=target, before=before, after=after, diff="", reason="", controls=())


def booted(machine: SystemdNode) -> Node:
    node = machine.boot()
    node.at(FILE).parent.mkdir(exist_ok=True)
    node.at(FILE).write_text(OLD)
    node.set_value(FIN, "45")
    return node


def changes(machine: SystemdNode, *more: Change) -> bytes:
    wanted = plan(file_change(FILE, OLD, NEW), sysctl_change(FIN, "45", "30"), *more, boot_id=machine.boot_id())
    return apply_program(NONCE, job(restart=("fleet-thing",)), wanted)


def units(node: Node) -> str:
    return node.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "fleet-*")


def test_the_timer_of_systemd_undoes_what_is_not_confirmed(machine: SystemdNode) -> None:
    node = booted(machine)
    wanted = plan(file_change(FILE, OLD, NEW), sysctl_change(FIN, "45", "30"), boot_id=machine.boot_id())
    answer = node.ask(apply_program(NONCE, job(confirm_within=SOON), wanted))
    assert (answer.outcome, answer.notes) == ("applied", ())
    assert f"fleet-undo-{RUN}.timer" in units(node)
    until(lambda: node.ask(status_program(NONCE, RUN)).outcome == "expired", "the undo by the timer")
    until(lambda: node.leftovers() == [], "the end of the run")
    assert (node.at(FILE).read_text(), node.value(FIN)) == (OLD, "45")
    until(lambda: units(node) == "", "the end of the timer's unit")
    assert not node.at("/etc/systemd/system/sysinit.target.wants").exists()


def test_a_confirmed_run_leaves_no_unit(machine: SystemdNode) -> None:
    node = booted(machine)
    assert node.ask(changes(machine)).outcome == "applied"
    assert node.at("/etc/systemd/system/sysinit.target.wants/fleet-undo.service").is_symlink()
    assert node.ask(confirm_program(NONCE, RUN)).outcome == "confirmed"
    assert (node.leftovers(), units(node)) == ([], "")
    assert not node.at("/etc/systemd/system/sysinit.target.wants").exists()
    machine.cut_the_power()
    node = machine.boot()
    assert (node.at(FILE).read_text(), node.value(FIN)) == (NEW, "30")


def test_a_boot_before_the_confirm_gives_the_files_back_before_they_are_read(machine: SystemdNode) -> None:
    node = booted(machine)
    assert node.ask(changes(machine)).outcome == "applied"
    machine.cut_the_power()
    node = machine.boot()
    assert (node.at(FILE).read_text(), node.value(FIN)) == (OLD, "45")
    assert node.leftovers() == []
    assert node.ask(status_program(NONCE, RUN)).outcome == "expired"
    assert node.run("systemctl", "is-system-running", check=False).strip() == "running"


def test_a_unit_is_enabled_and_taken_away_again(machine: SystemdNode) -> None:
    node = booted(machine)
    text = SERVICE.format("sleep infinity")
    answer = node.ask(
        changes(machine, file_change(UNIT, None, text), unit("fleet-thing.service", "not enabled", "enabled"))
    )
    assert answer.outcome == "applied", answer
    assert node.run("systemctl", "is-active", "fleet-thing", check=False) == "active\n"
    assert node.run("systemctl", "is-enabled", "fleet-thing", check=False) == "enabled\n"
    assert node.ask(undo_program(NONCE, RUN)).outcome == "undone"
    assert node.run("systemctl", "is-active", "fleet-thing", check=False) == "inactive\n"
    assert not node.at("/etc/systemd/system/multi-user.target.wants/fleet-thing.service").is_symlink()
    assert node.run("systemctl", "show", "-p", "LoadState", "fleet-thing") == "LoadState=not-found\n"
    assert node.leftovers() == []


def test_a_service_is_restarted_with_what_was_changed_and_again_when_it_is_undone(machine: SystemdNode) -> None:
    node = booted(machine)
    node.at(UNIT).write_text(SERVICE.format("sleep 1111"))
    node.run("systemctl", "start", "fleet-thing")
    drop_in = "/etc/systemd/system/fleet-thing.service.d/fleet.conf"
    text = "[Service]\nExecStart=\nExecStart=/bin/sleep 2222\n"
    restart = unit("fleet-thing.service", "running", "restarted")
    assert node.ask(changes(machine, file_change(drop_in, None, text), restart)).outcome == "applied"
    assert "2222" in node.run("systemctl", "show", "-p", "ExecStart", "fleet-thing")
    assert node.run("pgrep", "-f", "sleep 2222")
    assert node.ask(undo_program(NONCE, RUN)).outcome == "undone"
    assert node.run("pgrep", "-f", "sleep 1111")
    assert not node.at(drop_in).parent.exists()


def test_a_service_that_does_not_start_again_takes_everything_back(machine: SystemdNode) -> None:
    node = booted(machine)
    node.at(UNIT).write_text(SERVICE.format("sleep 1111"))
    node.run("systemctl", "start", "fleet-thing")
    drop_in = "/etc/systemd/system/fleet-thing.service.d/fleet.conf"
    text = "[Service]\nExecStartPre=/bin/false\n"
    restart = unit("fleet-thing.service", "running", "restarted")
    answer = node.ask(changes(machine, file_change(drop_in, None, text), restart))
    assert (answer.outcome, answer.error and answer.error.kind) == ("undone", "refused"), answer
    assert (node.at(FILE).read_text(), node.value(FIN)) == (OLD, "45")
    assert node.run("systemctl", "is-active", "fleet-thing", check=False) == "active\n"
    assert node.leftovers() == []


def test_a_second_apply_does_not_restart_anything(machine: SystemdNode) -> None:
    node = booted(machine)
    node.at(UNIT).write_text(SERVICE.format("sleep 1111"))
    node.run("systemctl", "start", "fleet-thing")
    before = node.run("pgrep", "-f", "sleep 1111")
    again = plan(file_change(FILE, NEW, OLD), unit("fleet-thing.service", "running", "restarted"))
    answer = node.ask(apply_program(NONCE, job(restart=("fleet-thing",)), again))
    assert (answer.outcome, answer.changes[1].status) == ("noop", "noop")
    assert node.run("pgrep", "-f", "sleep 1111") == before


def test_systemd_has_nothing_to_say_about_the_unit_of_the_undo(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "fleet/rollout/node/sh/fleet-undo.service").read_text()
    path = tmp_path / "fleet-undo.service"
    path.write_text(text.replace("RUN", RUN))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
