"""What an audit says of the next boot is what the next boot does."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.vm import audited, live_around, own_playbook, plant
from support.vm_trees import KEYS, NOT_FORETOLD, ON_THE_NEXT_RELEASE, TREES

from fleet.kernel.values import equal
from fleet.lab import vm
from fleet.model.finding import SettingState

pytestmark = pytest.mark.vm

SEED = 1
# So that a key which is not there after the boot can be read all the same: with the value that its module brings.
LOAD_ALL = "modprobe -a nf_conntrack ip_vs br_netfilter"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[vm.VmLab]:
    """A machine for all trees of a release, which it gets one after the other."""
    folder = tmp_path_factory.mktemp("machines")
    with vm.running_machines(vm.VmRequest(machines=1, state_dir=folder, release=request.param)) as built:
        yield built


@pytest.fixture(scope="module")
def playbook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Looks at all keys."""
    return own_playbook(tmp_path_factory.mktemp("playbook") / "own", KEYS)


@pytest.fixture(scope="module")
def untouched(lab: vm.VmLab, playbook: Path) -> dict[str, str]:
    """What the kernel itself has chosen on this machine, with every module loaded."""
    machine = lab.machines[0].name
    keys = [state.key for state in audited(lab, machine, playbook).settings]
    return live_around(lab, machine, keys, LOAD_ALL)[1]


@pytest.mark.parametrize("tree", TREES)
@pytest.mark.parametrize("lab", ["bookworm"], indirect=True, scope="module")
def test_every_predicted_value_is_there_after_the_reboot(  # noqa: PLR0913, PLR0917 - each is a fixture
    lab: vm.VmLab,
    machine: str,
    playbook: Path,
    untouched: dict[str, str],
    tree: str,
    say: Callable[[str], None],
) -> None:
    _hold(lab, machine, playbook, untouched, tree, say)


@pytest.mark.parametrize("tree", ON_THE_NEXT_RELEASE)
@pytest.mark.parametrize("lab", ["trixie"], indirect=True, scope="module")
def test_every_predicted_value_is_there_on_the_next_release_too(  # noqa: PLR0913, PLR0917 - each is a fixture
    lab: vm.VmLab,
    machine: str,
    playbook: Path,
    untouched: dict[str, str],
    tree: str,
    say: Callable[[str], None],
) -> None:
    _hold(lab, machine, playbook, untouched, tree, say)


def _hold(  # noqa: PLR0913, PLR0917 - what the tests get
    lab: vm.VmLab, machine: str, playbook: Path, untouched: dict[str, str], tree: str, say: Callable[[str], None]
) -> None:
    plant(lab, machine, TREES[tree](random.Random(SEED)))  # noqa: S311 - repeatable variety, not a secret
    predicted = {state.key: state for state in audited(lab, machine, playbook).settings}
    vm.reboot(lab, machine)
    booted, loaded = live_around(lab, machine, predicted, LOAD_ALL)
    rows: list[str] = []
    wrong: list[str] = []
    left_open: set[str] = set()
    for key, state in predicted.items():
        found = booted.get(key, f"{loaded.get(key)} (once its module is loaded)")
        row = f"{tree:26} {key:50} {_shown(state):36} {found}"
        if state.boot is not None or state.boot_note != "no file sets it":
            rows.append(row)
        if state.after_reboot is None and state.boot_note != "no file sets it":
            left_open.add(key)
            continue
        # Where no file has a say it is what the kernel itself has chosen on this machine.
        expected = untouched[key] if state.after_reboot is None else state.after_reboot
        # What files set is there before anybody loads a module.
        value = booted.get(key, loaded.get(key) if state.boot is None else None)
        if value is None or not equal(key, expected, value):
            wrong.append(f"{row} (expected {expected})")
    header = f"{'TREE':26} {'KEY':50} {'PREDICTED':36} AFTER THE REBOOT"
    others = f"{len(predicted) - len(rows)} values that no file sets"
    counts = f"{len(rows)} values and {others}: {len(left_open)} left open with a reason, {len(wrong)} not as predicted"
    say("\n".join([header, *rows, f"{lab.release}, {tree}: {counts}"]))
    assert wrong == []
    assert left_open == {key for each, key in NOT_FORETOLD if each == tree}


def _shown(state: SettingState) -> str:
    return state.after_reboot if state.after_reboot is not None else f"? {state.boot_note}"[:36]
