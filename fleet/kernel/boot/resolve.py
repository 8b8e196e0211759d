"""From facts to the boot value of each key."""

from collections.abc import Iterable, Mapping

from fleet.kernel.boot.acceptance import Kernel
from fleet.kernel.boot.model import BootValue
from fleet.kernel.boot.procps import Version, read_procps
from fleet.kernel.boot.run import run
from fleet.kernel.boot.systemd import read_systemd
from fleet.model.facts import NodeFile


def resolve_systemd(
    files: Mapping[str, NodeFile], keys: Iterable[str], *, kernel: Kernel, globs: bool | None
) -> Mapping[str, BootValue]:
    """What systemd-sysctl leaves in keys that are all there when it runs.

    Args:
        files: by absolute path.
        keys: in dots.
        kernel: what it makes of the values.
        globs: as for ``read_systemd``.
    """
    return run(read_systemd(files, globs=globs), keys, kernel)


def resolve_procps(
    files: Mapping[str, NodeFile], keys: Iterable[str], *, kernel: Kernel, version: Version | None
) -> Mapping[str, BootValue]:
    """What ``sysctl --system`` leaves in keys that are all there when it runs.

    Args:
        files: by absolute path.
        keys: in dots.
        kernel: what it makes of the values.
        version: as for ``read_procps``.
    """
    return run(read_procps(files, version=version), keys, kernel)
