"""Switching machines on and off, and waiting until they are up."""

import os
import select
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from fleet.lab import processes
from fleet.lab.launch import last_lines
from fleet.lab.record import LabPaths
from fleet.lab.vm.model import Machine
from fleet.lab.vm.qemu import machine_command
from fleet.lab.vm.record import MachinePaths, VmRecord, machine_paths
from fleet.model.errors import LabError
from fleet.model.text import printable

# Written by the last unit of a boot to the serial console: asking sshd instead would slow the boot down.
_READY = b"FLEET-LAB-READY"
_PAUSE = 0.2
# From the start of QEMU until the machine runs on its own.
_STARTED_WITHIN = 60.0


def switch_on(paths: LabPaths, record: VmRecord, machine: Machine) -> None:
    """Starts a machine that is off, and does not wait for its boot.

    Raises:
        LabError: QEMU does not start.
    """
    place = machine_paths(paths, machine)
    command = machine_command(
        record,
        machine,
        place,
        machine_id=place.machine_id.read_text().strip(),
        authorized_key=paths.identity.with_suffix(".pub"),
    )
    environment = processes.environment(record.token, machine.name)
    try:
        result = subprocess.run(  # noqa: S603 - arguments of ours
            command,
            capture_output=True,
            check=False,
            env=environment,
            stdin=subprocess.DEVNULL,
            timeout=_STARTED_WITHIN,
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"QEMU did not start machine {machine.name} within {_STARTED_WITHIN:.0f} s") from error
    if result.returncode != 0:
        raise LabError(f"QEMU does not start machine {machine.name}: {printable(result.stderr.strip(), 300)}")


def boots(place: MachinePaths) -> int:
    """How many times the machine has come up since it was made."""
    try:
        return place.console.read_bytes().count(_READY)
    except FileNotFoundError:
        return 0


def running(record: VmRecord) -> dict[str, int]:
    """The process ids of the machines that are on, by name."""
    return {process.node: process.pid for process in processes.find(record.token)}


def wait_until_up(paths: LabPaths, record: VmRecord, machines: Iterable[tuple[Machine, int]], within: float) -> None:
    """Returns when all machines have come up.

    Args:
        paths: the lab's.
        record: the lab's.
        machines: each with the number of ``boots`` it had before this one.
        within: seconds for all of them.

    Raises:
        LabError: a machine ended, or was not up in time; with the last lines of its console.
    """
    deadline = time.monotonic() + within
    for machine, before in machines:
        place = machine_paths(paths, machine)
        with _process(record, machine) as process:
            while boots(place) <= before:
                if _has_ended(process, _PAUSE):
                    raise LabError(f"machine {machine.name} ended while it started\n{last_lines(place.console)}")
                if time.monotonic() > deadline:
                    message = f"machine {machine.name} was not up within {within:.0f} s"
                    raise LabError(f"{message}\n{last_lines(place.console)}")


def wait_until_off(record: VmRecord, machine: Machine, within: float) -> None:
    """Returns when a machine that shuts down has switched itself off.

    Raises:
        LabError: it has not in time.
    """
    with _process(record, machine) as process:
        if not _has_ended(process, within):
            raise LabError(f"machine {machine.name} was not off within {within:.0f} s")


@contextmanager
def _process(record: VmRecord, machine: Machine) -> Iterator[int | None]:
    """A handle of the machine's QEMU; None when there is none any more."""
    try:
        handle = os.pidfd_open(running(record)[machine.name])
    except (KeyError, ProcessLookupError):
        yield None
        return
    try:
        yield handle
    finally:
        os.close(handle)


def _has_ended(process: int | None, within: float) -> bool:
    return process is None or bool(select.select([process], [], [], within)[0])
