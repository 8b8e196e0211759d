"""What an audit says of the next boot is what the next boot does."""

import random
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from support.vm import audited, command, own_playbook, plant
from support.vm_trees import KEYS, NOT_FORETOLD, TREES

from fleet.kernel.values import equal
from fleet.lab import vm
from fleet.model.finding import SettingState

pytestmark = pytest.mark.vm

SEED = 1
# So that a key which is not there after the boot can be read all the same: with the value that its module brings.
LOAD_ALL = "modprobe -a nf_conntrack ip_vs br_netfilter"


@pytest.mark.parametrize("lab", vm.RELEASES, indirect=True)
def test_every_predicted_value_is_there_after_the_reboot(
    lab: vm.VmLab, machine: str, folder: Path, say: Callable[[str], None]
) -> None:
    playbook = own_playbook(folder, KEYS)
    _, own = _after_reboot(lab, machine, playbook)
    rows: list[str] = []
    wrong: list[str] = []
    left_open: set[tuple[str, str]] = set()
    for name, tree in TREES.items():
        plant(lab, machine, tree(random.Random(SEED)))  # noqa: S311 - repeatable variety, not a secret
        before = _states(lab, machine, playbook)
        after, later = _after_reboot(lab, machine, playbook)
        for key, state in before.items():
            found = f"{later[key]} (once its module is loaded)" if after[key] is None else after[key]
            rows.append(f"{name:26} {key:52} {_shown(state):36} {found}")
            if state.after_reboot is None and state.boot_note != "no file sets it":
                left_open.add((name, key))
                continue
            # Where no file has a say it is what the kernel itself has chosen on this machine.
            expected = own[key] if state.after_reboot is None else state.after_reboot
            # What files set is there before anybody loads a module.
            value = later[key] if state.boot is None and after[key] is None else after[key]
            if value is None or expected is None or not equal(key, expected, value):
                wrong.append(rows[-1])
    header = f"{'TREE':26} {'KEY':52} {'PREDICTED':36} AFTER THE REBOOT"
    counts = f"{len(rows)} values, {len(left_open)} left open with a reason, {len(wrong)} not as predicted"
    say("\n".join([header, *rows, f"{lab.release}: {counts}"]))
    assert wrong == []
    assert left_open == NOT_FORETOLD


def _after_reboot(
    lab: vm.VmLab, machine: str, playbook: Path
) -> tuple[Mapping[str, str | None], Mapping[str, str | None]]:
    """The live values after a boot, and those once every module is loaded too."""
    vm.reboot(lab, machine)
    after = {key: state.live for key, state in _states(lab, machine, playbook).items()}
    command(lab, machine, LOAD_ALL)
    return after, {key: state.live for key, state in _states(lab, machine, playbook).items()}


def _states(lab: vm.VmLab, machine: str, playbook: Path) -> Mapping[str, SettingState]:
    return {state.key: state for state in audited(lab, machine, playbook).settings}


def _shown(state: SettingState) -> str:
    return state.after_reboot if state.after_reboot is not None else f"? {state.boot_note}"[:36]
