"""A lab of machines that ends with who wanted it, also when that is killed."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from fleet.lab.vm.lifecycle import down, up
from fleet.lab.vm.model import VmLab, VmRequest


@contextmanager
def running_machines(request: VmRequest) -> Iterator[VmLab]:
    """Machines for as long as the block runs.

    A guard waits for the end of a pipe that only we hold, and removes what we could not.

    Raises:
        UsageError, LabError: as `fleet.lab.vm.up`.
    """
    guard = [sys.executable, "-m", "fleet.lab.vm.guard", str(request.state_dir.absolute()), request.name]
    with subprocess.Popen(guard, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True):  # noqa: S603 - arguments of ours
        try:
            yield up(request)
        finally:
            down(request.state_dir, request.name)
