"""A new machine for each test, as it was installed."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fleet.lab import vm


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs QEMU where it is missing, with the reason shown; in CI a skip would hide a gap."""
    missing = dict.fromkeys((*vm.missing_to_run(), *vm.missing_to_build()))
    if not missing or os.environ.get("CI"):
        return
    reason = f"needs {', '.join(requirement.name for requirement in missing)}: `tools/setup.sh system vm` brings it"
    for item in items:
        if item.get_closest_marker("vm"):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def lab(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[vm.VmLab]:
    """A lab of one machine, of Debian 12 or of the release that a parameter names; it ends with the test."""
    release: vm.Release = getattr(request, "param", "bookworm")
    with vm.running_machines(vm.VmRequest(machines=1, state_dir=tmp_path, release=release)) as built:
        yield built


@pytest.fixture
def machine(lab: vm.VmLab) -> str:
    """The name of the machine."""
    return lab.machines[0].name


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Print whatever is captured: the numbers are part of what a run of CI has to show."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def lines(text: str) -> None:
        with capture.global_and_fixture_disabled():
            # The standard output of a worker of pytest-xdist goes nowhere.
            sys.stderr.write(f"\n{text}\n")

    return lines


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """For a playbook of the test's own."""
    return tmp_path / "playbook"
