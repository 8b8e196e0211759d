"""What an audit says of the next boot is what the next boot does."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from support.vm import audited, own_playbook, plant
from support.vm_trees import KEYS, TREES

from fleet.kernel.values import equal
from fleet.lab import vm
from fleet.model.finding import SettingState

pytestmark = pytest.mark.vm

SEED = 1


def test_every_predicted_value_is_there_after_the_reboot(
    lab: vm.VmLab, folder: Path, say: Callable[[str], None]
) -> None:
    playbook = own_playbook(folder, KEYS)
    (machine,) = (each.name for each in lab.machines)
    rows: list[str] = []
    wrong: list[str] = []
    for name, tree in TREES.items():
        plant(lab, machine, tree(random.Random(SEED)))  # noqa: S311 - repeatable variety, not a secret
        before = {state.key: state for state in audited(lab, machine, playbook).settings}
        vm.reboot(lab, machine)
        after = {state.key: state.live for state in audited(lab, machine, playbook).settings}
        for key, state in before.items():
            rows.append(f"{name:26} {key:52} {_shown(state):36} {after[key]}")
            if state.after_reboot is not None and not _same(key, state.after_reboot, after[key]):
                wrong.append(rows[-1])
    header = f"{'TREE':26} {'KEY':52} {'PREDICTED':36} AFTER THE REBOOT"
    say("\n".join([header, *rows, f"{len(rows)} values, {len(wrong)} not as predicted"]))
    assert wrong == []


def _shown(state: SettingState) -> str:
    return state.after_reboot if state.after_reboot is not None else f"? {state.boot_note}"[:36]


def _same(key: str, predicted: str, found: str | None) -> bool:
    return found is not None and equal(key, predicted, found)
