"""A new machine for each test, as it was installed."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fleet.lab import vm


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs QEMU where it is missing, with the reason shown; in CI a skip would hide a gap."""
    missing = vm.missing_to_run()
    if not missing or os.environ.get("CI"):
        return
    reason = f"needs {', '.join(requirement.name for requirement in missing)}: `tools/setup.sh system vm` brings it"
    for item in items:
        if item.get_closest_marker("vm"):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[vm.VmLab]:
    """A lab of one machine, which ends with the test, however it ends."""
    with vm.running_machines(vm.VmRequest(machines=1, state_dir=tmp_path)) as built:
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
            print(f"\n{text}", flush=True)  # noqa: T201 - printing is its purpose

    return lines


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """For a playbook of the test's own."""
    return tmp_path / "playbook"
