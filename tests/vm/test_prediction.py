"""What an audit says of the next boot is what the next boot does."""

import random
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from support.vm import audited, command, own_playbook, plant
from support.vm_trees import KEYS, TREES

from fleet.kernel.values import equal
from fleet.lab import vm
from fleet.model.finding import SettingState

pytestmark = pytest.mark.vm

SEED = 1
# So that a key which is not there after the boot can be read all the same: with the value that its module brings.
LOAD_ALL = "modprobe -a nf_conntrack ip_vs br_netfilter"


def test_every_predicted_value_is_there_after_the_reboot(
    lab: vm.VmLab, machine: str, folder: Path, say: Callable[[str], None]
) -> None:
    playbook = own_playbook(folder, KEYS)
    rows: list[str] = []
    wrong: list[str] = []
    for name, tree in TREES.items():
        plant(lab, machine, tree(random.Random(SEED)))  # noqa: S311 - repeatable variety, not a secret
        before = _states(lab, machine, playbook)
        vm.reboot(lab, machine)
        after = {key: state.live for key, state in _states(lab, machine, playbook).items()}
        command(lab, machine, LOAD_ALL)
        later = {key: state.live for key, state in _states(lab, machine, playbook).items()}
        for key, state in before.items():
            found = f"{later[key]} (once its module is loaded)" if after[key] is None else after[key]
            rows.append(f"{name:26} {key:52} {_shown(state):36} {found}")
            # A line that is said to be lost must be so; a value of the files must be there before any module is loaded.
            value = later[key] if state.boot is None and after[key] is None else after[key]
            if state.after_reboot is not None and not _same(key, state.after_reboot, value):
                wrong.append(rows[-1])
    header = f"{'TREE':26} {'KEY':52} {'PREDICTED':36} AFTER THE REBOOT"
    say("\n".join([header, *rows, f"{len(rows)} values, {len(wrong)} not as predicted"]))
    assert wrong == []


def _states(lab: vm.VmLab, machine: str, playbook: Path) -> Mapping[str, SettingState]:
    return {state.key: state for state in audited(lab, machine, playbook).settings}


def _shown(state: SettingState) -> str:
    return state.after_reboot if state.after_reboot is not None else f"? {state.boot_note}"[:36]


def _same(key: str, predicted: str, found: str | None) -> bool:
    return found is not None and equal(key, predicted, found)
