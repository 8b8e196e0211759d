"""The life of a lab of machines: up, status, down."""

import secrets
import shutil
import socket
import subprocess
from contextlib import ExitStack, suppress
from pathlib import Path

from fleet.lab import processes
from fleet.lab.keys import new_key_pair
from fleet.lab.record import LabPaths, lab_paths, locked
from fleet.lab.requirements import require
from fleet.lab.vm.accelerator import choose_accelerator
from fleet.lab.vm.image import image_for
from fleet.lab.vm.inventory import known_hosts, write_inventory
from fleet.lab.vm.model import LOOPBACK, MOST_MACHINES, MachineStatus, VmLab, VmRequest
from fleet.lab.vm.power import boots, running, switch_on, wait_until_up
from fleet.lab.vm.qemu import overlay_command
from fleet.lab.vm.record import VmRecord, load, machine_paths, record_path, save
from fleet.lab.vm.requirements import missing_to_run
from fleet.model.errors import LabError, UsageError


def up(request: VmRequest) -> VmLab:
    """Starts new machines and returns when all are up; the image is built before where it is not there yet.

    Raises:
        UsageError: the name or the number of machines will not do.
        LabError: this machine cannot run them, there is a lab of that name already, or a machine does not come up;
            then nothing but the image is left.
    """
    if not 1 <= request.machines <= MOST_MACHINES:
        raise UsageError(f"a lab has 1 to {MOST_MACHINES} machines, not {request.machines}")
    paths = lab_paths(request.state_dir, request.name)
    if paths.root.exists():
        raise _exists(paths)
    require(missing_to_run())
    image = image_for(request.release)
    accelerator = choose_accelerator(image)
    try:
        paths.root.mkdir(parents=True)
    except FileExistsError as error:
        raise _exists(paths) from error
    except OSError as error:
        raise LabError(f"no folder for the lab can be made: {error}") from error
    with locked(paths):
        record = VmRecord(
            token=secrets.token_hex(16),
            release=request.release,
            memory_mib=request.memory_mib,
            cores=request.cores,
            accelerator=accelerator,
            ports=_free_ports(request.machines),
            image=str(image),
        )
        try:
            save(paths, record)
            return _build(paths, record, request.ready_within)
        except BaseException:
            _remove(paths, record)
            raise


def is_vm_lab(state_dir: Path, name: str = "default") -> bool:
    """Whether a lab of that name has machines, and not namespaces.

    Raises:
        UsageError: that is no name for a lab.
    """
    return record_path(lab_paths(state_dir, name)).exists()


def status(state_dir: Path, name: str = "default") -> tuple[MachineStatus, ...]:
    """How the machines are now; asks neither them nor QEMU.

    Raises:
        UsageError: that is no name for a lab.
        LabError: there is no such lab.
    """
    paths, record = existing(state_dir, name)
    pids = running(record)
    return tuple(
        MachineStatus(
            machine=machine,
            is_running=machine.name in pids,
            boots=boots(machine_paths(paths, machine)),
            memory_bytes=processes.resident(pids[machine.name]) if machine.name in pids else 0,
        )
        for machine in record.machines
    )


def down(state_dir: Path, name: str = "default") -> bool:
    """Removes a lab of machines, or what a killed ``up`` or ``down`` left of it; the image stays in the cache.

    Returns:
        Whether there was one.

    Raises:
        UsageError: that is no name for a lab.
        LabError: another command is at work on it, or something of it does not go away.
    """
    paths = lab_paths(state_dir, name)
    record = load(paths)
    if record is None:
        return False
    with locked(paths):
        _remove(paths, record)
    return True


def existing(state_dir: Path, name: str) -> tuple[LabPaths, VmRecord]:
    """The lab's place and record.

    Raises:
        UsageError: that is no name for a lab.
        LabError: there is no such lab.
    """
    paths = lab_paths(state_dir, name)
    record = load(paths)
    if record is None:
        raise LabError(f"there is no lab {name!r} of machines in {state_dir}; start one with `fleet lab up --vm 1`")
    return paths, record


def _exists(paths: LabPaths) -> LabError:
    return LabError(f"lab {paths.root.name!r} is there already ({paths.root}); remove it with `fleet lab down`")


def _free_ports(count: int) -> tuple[int, ...]:
    with ExitStack() as stack:
        # All are held until the last is known, so that none is given twice.
        held = [stack.enter_context(socket.create_server((str(LOOPBACK), 0))) for _ in range(count)]
        return tuple(each.getsockname()[1] for each in held)


def _build(paths: LabPaths, record: VmRecord, ready_within: float) -> VmLab:
    identity = new_key_pair()
    paths.identity.touch(mode=0o600)
    paths.identity.write_text(identity.private)
    paths.identity.with_suffix(".pub").write_text(f"{identity.public}\n")
    host_keys = [new_key_pair() for _ in record.machines]
    for machine, host_key in zip(record.machines, host_keys, strict=True):
        place = machine_paths(paths, machine)
        place.root.mkdir(parents=True)
        place.host_key.touch(mode=0o600)
        place.host_key.write_text(host_key.private)
        place.machine_id.write_text(f"{secrets.token_hex(16)}\n")
        _make_disk(Path(record.image), place.disk)
    public = [host_key.public for host_key in host_keys]
    paths.known_hosts.write_text(known_hosts(zip(record.machines, public, strict=True)))
    write_inventory(paths, record.machines, record.release)
    for machine in record.machines:
        switch_on(paths, record, machine)
    wait_until_up(paths, record, [(machine, 0) for machine in record.machines], ready_within)
    return describe(paths, record)


def describe(paths: LabPaths, record: VmRecord) -> VmLab:
    """The lab that stands, or will stand, in that place."""
    return VmLab(
        name=paths.root.name,
        directory=paths.root,
        machines=record.machines,
        inventory=paths.inventory,
        known_hosts=paths.known_hosts,
        identity_file=paths.identity,
        release=record.release,
        accelerator=record.accelerator,
        image=Path(record.image),
    )


def _make_disk(image: Path, disk: Path) -> None:
    result = subprocess.run(overlay_command(image, disk), capture_output=True, check=False, text=True)  # noqa: S603 - arguments of ours
    if result.returncode != 0:
        raise LabError(f"{disk} cannot be made: {result.stderr.strip()}")


def _remove(paths: LabPaths, record: VmRecord) -> None:
    processes.kill_all(record.token)
    for path in paths.root.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path != record_path(paths):
            path.unlink()
    # Last: without it, what is left would be nobody's.
    record_path(paths).unlink()
    paths.root.rmdir()
    with suppress(OSError):
        # Unless other labs are there.
        paths.root.parent.rmdir()
