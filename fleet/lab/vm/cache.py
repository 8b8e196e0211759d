"""Where images are kept between runs, and who may work on them."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fleet.model.errors import LabError


def cache_directory() -> Path:
    """The folder of all images, made when it is not there.

    It follows the XDG rules: https://specifications.freedesktop.org/basedir-spec/latest/

    Raises:
        LabError: it cannot be made.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    # A relative path is to be ignored, says the specification.
    root = Path(base) if base.startswith("/") else Path.home() / ".cache"
    directory = root / "fleet" / "vm"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(f"no folder for images can be made: {error}; set XDG_CACHE_HOME to one of yours") from error
    return directory


@contextmanager
def exclusively(lock: Path) -> Iterator[None]:
    """Waits until nobody else holds that file, and holds it; it is let go of with the process at the latest."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
