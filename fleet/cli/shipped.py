"""Examples that travel with the package."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import fleet


def shipped(folder: str) -> Traversable:
    """The folder ``inventory``, ``playbooks`` or ``templates``, as installed or in a checkout."""
    installed = files(fleet) / "shipped" / folder
    return installed if installed.is_dir() else Path(fleet.__file__).parents[1] / folder
