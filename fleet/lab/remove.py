"""Removing everything of a lab, whatever state it is in."""

import os
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from fleet.lab import network, processes
from fleet.lab.record import LabPaths, LabRecord
from fleet.model.errors import LabError

_UNMOUNTED_WITHIN = 15.0
_PAUSE = 0.05


def remove_everything(paths: LabPaths, record: LabRecord | None) -> None:
    """Ends the lab's processes and removes its network, its mounts and its directory, in this order.

    Args:
        paths: where the lab is.
        record: None when ``up`` was cut off before it wrote one; then nothing but the directory was made.

    Raises:
        LabError: something does not go away; calling again goes on from there.
    """
    if record is not None:
        processes.kill_all(record.token)
        network.disconnect_machine(record.uplink)
        for mount in _mounts_at_or_below(paths.root):
            _unmount(mount)
        _empty(paths)
    paths.draft.unlink(missing_ok=True)
    try:
        paths.root.rmdir()
    except OSError as error:
        raise LabError(f"{paths.root} holds no lab, but something else; look at it and remove it yourself") from error
    with suppress(OSError):
        # Unless other labs are there.
        paths.root.parent.rmdir()


def _empty(paths: LabPaths) -> None:
    for path in paths.root.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path != paths.record:
            path.unlink()
    # Last: without it, what is left would be nobody's.
    paths.record.unlink()


def _mounts_at_or_below(directory: Path) -> list[str]:
    """Mount points, inner ones first."""
    root = str(directory.resolve())
    points = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        # Blanks and the like are written as a backslash and three octal digits.
        point = line.split()[4].encode().decode("unicode_escape").encode("latin-1").decode(errors="surrogateescape")
        if point == root or point.startswith(root + os.sep):
            points.append(point)
    return points[::-1]


def _unmount(point: str) -> None:
    deadline = time.monotonic() + _UNMOUNTED_WITHIN
    while True:
        result = subprocess.run(["umount", point], capture_output=True, check=False, text=True)  # noqa: S603, S607 - a path of ours
        if result.returncode == 0:
            return
        # A killed process lets go of its files a moment after its end.
        if time.monotonic() > deadline:
            raise LabError(f"{point} cannot be unmounted: {result.stderr.strip()}; see `fuser -vm {point}`")
        time.sleep(_PAUSE)
