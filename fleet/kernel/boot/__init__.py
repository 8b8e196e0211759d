"""What the next boot leaves in each key, with the file and line that decides."""

from fleet.kernel.boot.acceptance import Kernel
from fleet.kernel.boot.model import (
    Assignment,
    BootLost,
    BootRefused,
    BootSet,
    BootUnknown,
    BootUnset,
    BootValue,
    Origin,
)
from fleet.kernel.boot.resolve import resolve_procps, resolve_systemd

__all__ = [
    "Assignment",
    "BootLost",
    "BootRefused",
    "BootSet",
    "BootUnknown",
    "BootUnset",
    "BootValue",
    "Kernel",
    "Origin",
    "resolve_procps",
    "resolve_systemd",
]
