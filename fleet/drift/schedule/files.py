"""Files of ours among those of others."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from fleet.drift.schedule.units import MARK
from fleet.model.errors import FleetError, UsageError


def is_ours(path: Path) -> bool:
    """Whether `fleet schedule` has made a file; a link is not ours, wherever it leads."""
    try:
        return not path.is_symlink() and path.is_file() and path.read_bytes().startswith(f"{MARK}\n".encode())
    except OSError:
        return False


def check_free(paths: Iterable[Path]) -> None:
    """Refuse to overwrite what is not ours.

    Raises:
        UsageError: one of the files is somebody else's.
    """
    for path in paths:
        if os.path.lexists(path) and not is_ours(path):
            raise UsageError(f"{path} is there and was not made by fleet schedule: move it away, or choose a --name")


def check_known(name: str, names: tuple[str, ...], where: str) -> None:
    """Refuse the name of a schedule that is not there.

    Raises:
        UsageError: it is not.
    """
    if name not in names:
        raise UsageError(f"no schedule '{name}' {where} (there are: {', '.join(names) or 'none'})")


def write_all(files: Mapping[Path, str]) -> None:
    """Write files, each in one step.

    Raises:
        FleetError: one cannot be written.
    """
    for path, text in files.items():
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                beside.write_text(text, encoding="utf-8")
                beside.chmod(0o644)
                beside.replace(path)
            finally:
                beside.unlink(missing_ok=True)
        except OSError as error:
            raise FleetError(f"cannot write {path}: {error.strerror}") from error


def remove_all(paths: Iterable[Path]) -> None:
    """Remove files of ours.

    Raises:
        FleetError: one cannot be removed.
    """
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise FleetError(f"cannot remove {path}: {error.strerror}") from error
