"""Values for a module that comes too late: the audit says that they will be lost, and the plan keeps them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.vm import Planting, audited, command, harden, live, plant
from support.vm_trees import ESTABLISHED, LIBERAL, MAX

from fleet.cli.playbook import find_playbook
from fleet.lab import vm
from fleet.model.finding import SettingState

pytestmark = pytest.mark.vm

FILE = "/etc/sysctl.d/50-conntrack.conf"
VALUES = {LIBERAL: "1", MAX: "65536", ESTABLISHED: "86400"}
DEFAULTS = {LIBERAL: "0", MAX: "2048", ESTABLISHED: "432000"}
LOAD = "modprobe nf_conntrack"


def test_lost_values_are_foretold_then_lost_then_mended_for_good(
    lab: vm.VmLab, machine: str, say: Callable[[str], None]
) -> None:
    plant(lab, machine, Planting(files={FILE: "".join(f"{key} = {value}\n" for key, value in VALUES.items())}))
    # The node of somebody who has loaded the module by hand, and sees that all is well.
    command(lab, machine, f"{LOAD} && sysctl -q -p {FILE}")
    playbook = find_playbook("stop-conntrack-resets")
    before = _states(lab, machine, playbook)
    assert {key: before[key].live for key in VALUES} == VALUES
    assert {key: before[key].boot for key in VALUES} == dict.fromkeys(VALUES)
    assert [key for key in VALUES if "nothing loads nf_conntrack" not in before[key].boot_note] == [], before

    vm.reboot(lab, machine)
    # systemd-sysctl says it in one line each, and succeeds.
    said = command(lab, machine, "systemctl is-active systemd-sysctl; journalctl -b -t systemd-sysctl -o cat")
    assert said.startswith("active\n")
    assert [key for key in VALUES if f"to '{key.replace('.', '/')}', ignoring" not in said] == [], said
    assert live(lab, machine, VALUES) == {}
    command(lab, machine, LOAD)
    assert live(lab, machine, VALUES) == DEFAULTS

    harden(lab, playbook)
    mended = _states(lab, machine, playbook)
    assert mended[LIBERAL].live == mended[LIBERAL].after_reboot == "1"
    predicted = {key: mended[key].after_reboot for key in VALUES}
    vm.reboot(lab, machine)
    assert live(lab, machine, VALUES) == predicted
    rows = [f"{key:50} {VALUES[key]:8} lost  {predicted[key]}" for key in VALUES]
    say("\n".join([f"{'KEY':50} PLANTED  BOOT  AFTER THE PLAN AND A REBOOT", *rows]))


def _states(lab: vm.VmLab, machine: str, playbook: Path) -> dict[str, SettingState]:
    return {state.key: state for state in audited(lab, machine, playbook).settings}
