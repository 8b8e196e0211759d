"""What the next boot leaves in each key, with the file and line that decides."""

from fleet.kernel.boot.acceptance import Kernel
from fleet.kernel.boot.distribution import BOOT_FILES, BootModel, boot_model
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
from fleet.kernel.boot.resolve import resolve_alpine, resolve_boot, resolve_procps, resolve_systemd

__all__ = [
    "BOOT_FILES",
    "Assignment",
    "BootLost",
    "BootModel",
    "BootRefused",
    "BootSet",
    "BootUnknown",
    "BootUnset",
    "BootValue",
    "Kernel",
    "Origin",
    "boot_model",
    "resolve_alpine",
    "resolve_boot",
    "resolve_procps",
    "resolve_systemd",
]
