"""The node takes a run back by itself: nobody is there to ask it, and nobody could reach it."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.node import file_change, sysctl_change
from support.node import plan as plan_of
from support.plans import playbook_of
from support.vm import applied, begin, command, planned

from fleet.lab import vm
from fleet.plan import Change

pytestmark = pytest.mark.vm

FIN = "net.ipv4.tcp_fin_timeout"
CONFIRM_WITHIN = 40.0
# On a busy machine the node gets little of the time.
DEADLINE = 120.0
RULES = "/etc/nftables.conf"
OPEN = "flush ruleset\n"
SHUT = (
    "flush ruleset\n"
    "table inet filter {\n  chain input {\n    type filter hook input priority 0;\n    tcp dport 22 log drop\n  }\n}\n"
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[vm.VmLab]:
    """One machine for all: it is as before once a run is undone."""
    with vm.running_machines(vm.VmRequest(machines=1, state_dir=tmp_path_factory.mktemp("machines"))) as built:
        yield built


def test_a_run_of_a_controller_that_vanished_is_undone_by_the_timer(
    lab: vm.VmLab, machine: str, tmp_path: Path, say: Callable[[str], None]
) -> None:
    playbook_of(tmp_path, f"setting: {{sysctl: {FIN}}}, expect: {{equals: 42}}, set: 42")
    answer = applied(lab, machine, planned(lab, machine, tmp_path / "play.yaml"), "lost", confirm_within=CONFIRM_WITHIN)
    assert answer.outcome == "applied"
    assert command(lab, machine, f"sysctl -n {FIN}; ls /etc/sysctl.d/90-fleet.conf").startswith("42\n")
    timers = command(lab, machine, "systemctl list-timers --all --no-legend 'fleet-undo*'")
    assert "fleet-undo-lost.timer" in timers
    # Nobody asks fleet's files for anything: the look is at what a stranger would look at.
    _until(lab, machine, f"[ $(sysctl -n {FIN}) = 60 ] && [ ! -e /etc/sysctl.d/90-fleet.conf ]")
    _until(lab, machine, "[ ! -e /var/lib/fleet/pending ] && [ -e /var/lib/fleet/runs/lost/state.expired ]")
    assert command(lab, machine, "systemctl list-units --all --plain --no-legend 'fleet-undo*.timer'") == ""
    assert command(lab, machine, "systemctl is-system-running") == "running\n"
    say(f"{timers.strip()}\nfired by itself: {FIN} is 60 again, and fleet's file is gone")


def test_a_firewall_rule_that_cuts_ssh_is_undone_in_time(
    lab: vm.VmLab, machine: str, say: Callable[[str], None]
) -> None:
    command(lab, machine, f"cat >{RULES} && systemctl restart nftables", stdin=OPEN.encode())
    boot_id = command(lab, machine, "cat /proc/sys/kernel/random/boot_id").strip()
    restart = Change(
        kind="unit",
        target="nftables.service",
        before="running",
        after="restarted",
        diff="",
        reason="",
        controls=(),
    )
    shut = plan_of(file_change(RULES, OPEN, SHUT), sysctl_change(FIN, "60", "42"), restart, boot_id=boot_id)
    started = time.monotonic()
    # The answer gets through before it is cut off, or when that is over.
    begin(lab, machine, shut, "shut", confirm_within=CONFIRM_WITHIN)
    _until(lab, machine, "true")
    back = time.monotonic() - started
    assert back >= CONFIRM_WITHIN
    assert "DPT=22 " in command(lab, machine, "dmesg")
    assert command(lab, machine, f"cat {RULES}; sysctl -n {FIN}") == f"{OPEN}60\n"
    assert "drop" not in command(lab, machine, "nft list ruleset")
    say(f"SSH was cut off by a rule to be confirmed within {CONFIRM_WITHIN:.0f} s, and was back after {back:.0f} s")


def _until(lab: vm.VmLab, machine: str, condition: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while vm.run(lab, machine, condition, within=DEADLINE).returncode != 0:
        assert time.monotonic() < deadline, condition
        time.sleep(0.5)
