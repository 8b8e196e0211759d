"""What a lab of machines remembers of itself on disk, written before anything else of it exists."""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from fleet.lab.record import LabPaths
from fleet.lab.vm.model import Accelerator, Machine, Release
from fleet.model.errors import LabError

_SCHEMA = "fleet.vm-lab/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class VmRecord:
    """Enough to find and remove everything of a lab, and to start its machines again.

    Attributes:
        token: 32 hexadecimal digits, carried by every process of the lab.
        ports: of the machines, in order.
        image: the folder of the image that the disks are based on.
    """

    token: str
    release: Release
    memory_mib: int
    cores: int
    accelerator: Accelerator
    ports: tuple[int, ...]
    image: str

    @property
    def machines(self) -> tuple[Machine, ...]:
        return tuple(Machine(name=f"vm-{number:03d}", port=port) for number, port in enumerate(self.ports, start=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class MachinePaths:
    """Where everything of one machine is."""

    root: Path

    @property
    def disk(self) -> Path:
        return self.root / "disk.qcow2"

    @property
    def host_key(self) -> Path:
        return self.root / "ssh_host_ed25519_key"

    @property
    def machine_id(self) -> Path:
        return self.root / "machine-id"

    @property
    def console(self) -> Path:
        return self.root / "console.log"


def record_path(paths: LabPaths) -> Path:
    """The file whose presence tells a lab of machines from one of namespaces."""
    return paths.root / "vm.json"


def machine_paths(paths: LabPaths, machine: Machine) -> MachinePaths:
    """Where everything of a machine is."""
    return MachinePaths(root=paths.nodes / machine.name)


def save(paths: LabPaths, record: VmRecord) -> None:
    """Writes the record so that it is whole at any moment."""
    paths.draft.write_text(json.dumps({"schema": _SCHEMA, **asdict(record)}, indent=2) + "\n")
    paths.draft.replace(record_path(paths))


def load(paths: LabPaths) -> VmRecord | None:
    """The record; None where there is none.

    Raises:
        LabError: the file is not the record of a lab of machines.
    """
    path = record_path(paths)
    try:
        fields = json.loads(path.read_text())
        if fields.pop("schema") != _SCHEMA or not re.fullmatch("[0-9a-f]{32}", fields["token"]):
            raise LabError(f"{path} was written by another version of fleet; use that version's `fleet lab down`")
        return VmRecord(**{**fields, "ports": tuple(fields["ports"])})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise LabError(f"{path} is not a lab's record: {error}") from error
