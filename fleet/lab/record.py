"""What a lab remembers of itself on disk, written before anything else of it exists."""

import fcntl
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from ipaddress import IPv4Network
from pathlib import Path

from fleet.model.errors import LabError, UsageError

_LOCKED_WITHIN = 1.0
_PAUSE = 0.02
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabRecord:
    """Enough to find and remove everything of a lab, and to say what it is.

    Attributes:
        token: 32 hexadecimal digits, carried by every process of the lab.
        subnet: None until one was chosen.
    """

    token: str
    nodes: int
    seed: int
    subnet: str | None = None

    @property
    def uplink(self) -> str:
        """This machine's own end of the cable to the lab's switch; names have at most 15 characters."""
        return f"fleet{self.token[:8]}"

    @property
    def network(self) -> IPv4Network | None:
        return None if self.subnet is None else IPv4Network(self.subnet)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabPaths:
    """Where everything of one lab is."""

    root: Path

    @property
    def record(self) -> Path:
        return self.root / "lab.json"

    @property
    def draft(self) -> Path:
        return self.root / "lab.json.tmp"

    @property
    def nodes(self) -> Path:
        return self.root / "nodes"

    @property
    def inventory(self) -> Path:
        return self.root / "inventory"

    @property
    def known_hosts(self) -> Path:
        return self.root / "known_hosts"

    @property
    def identity(self) -> Path:
        return self.root / "id_ed25519"


def lab_paths(state_dir: Path, name: str) -> LabPaths:
    """Where the lab of that name is, made absolute.

    Raises:
        UsageError: the name is not one for a folder and a host.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name for a lab: use up to 32 lower-case letters, digits and hyphens, and no hyphen first"
        )
    return LabPaths(root=state_dir.absolute() / "lab" / name)


def save(paths: LabPaths, record: LabRecord) -> None:
    """Writes the record so that it is whole at any moment."""
    paths.draft.write_text(json.dumps({"schema": "fleet.lab/1", **asdict(record)}, indent=2) + "\n")
    paths.draft.replace(paths.record)


def load(paths: LabPaths) -> LabRecord | None:
    """The record; None when ``up`` was cut off before it wrote one.

    Raises:
        LabError: the file is not a lab's record.
    """
    try:
        fields = json.loads(paths.record.read_text())
        if fields.pop("schema") != "fleet.lab/1" or not re.fullmatch("[0-9a-f]{32}", fields["token"]):
            raise LabError(
                f"{paths.record} was written by another version of fleet; use that version's `fleet lab down`"
            )
        return LabRecord(**fields)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise LabError(f"{paths.record} is not a lab's record: {error}") from error


@contextmanager
def locked(paths: LabPaths) -> Iterator[None]:
    """Holds the lab against other commands; the lock ends with the process, however it ends.

    Raises:
        LabError: another command works on this lab.
    """
    handle = os.open(paths.root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        _lock(handle, paths.root)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, directory: Path) -> None:
    # A child that a killed command was about to start has the lock too, for the moment between fork and exec.
    deadline = time.monotonic() + _LOCKED_WITHIN
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                message = f"another `fleet lab` command is at work in {directory}; wait for it to end, or stop it"
                raise LabError(message) from error
            time.sleep(_PAUSE)
        else:
            return
