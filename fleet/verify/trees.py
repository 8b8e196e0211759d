"""The configuration files of a node, as testinfra finds and reads them."""

from collections.abc import Iterator
from dataclasses import replace

from fleet.facts.parse import tuned_profile, ufw_enabled
from fleet.facts.tree import MOST_FILES
from fleet.kernel.boot import BOOT_FILES
from fleet.kernel.boot.procps import CONF
from fleet.kernel.boot.tree import BASES
from fleet.kernel.units import SERVICES
from fleet.model.facts import NodeFacts
from fleet.verify.asked import Asked
from fleet.verify.reading import ReadingError, with_file

_TREES = ("sysctl.d", "modules-load.d", "modprobe.d")
_PROFILE = "/etc/tuned/active_profile"
_UNITS = frozenset(f"{service}.service" for service in SERVICES)
_DROP_INS = frozenset(f"{unit}.d" for unit in _UNITS)


def with_files(facts: NodeFacts, host: Asked) -> NodeFacts:
    """Read every file that the probe has read, and those in its directories that it has not seen.

    Raises:
        ReadingError: testinfra cannot.
    """
    found = frozenset(_listed(host)) - facts.files.keys()
    if len(found) > MOST_FILES:
        raise ReadingError(f"there are {len(found)} that the probe has not seen")
    for path in (*facts.files, *sorted({CONF, *BOOT_FILES, *found} - facts.files.keys())):
        facts = with_file(facts, host, path)
    profile = with_file(facts, host, _PROFILE).files
    return replace(facts, tuned_profile=tuned_profile(profile), ufw_enabled=ufw_enabled(facts.files))


def _listed(host: Asked) -> Iterator[str]:
    for base in BASES:
        # Where /lib is a link to /usr/lib, its trees are read already.
        if base == "/lib" and host.file(base).is_symlink:
            continue
        for tree in _TREES:
            yield from _configurations(host, f"{base}/{tree}")
        units = f"{base}/systemd/system"
        for name in _names(host, units):
            if name in _UNITS:
                yield f"{units}/{name}"
            elif name in _DROP_INS:
                yield from _configurations(host, f"{units}/{name}")


def _configurations(host: Asked, directory: str) -> Iterator[str]:
    yield from (f"{directory}/{name}" for name in _names(host, directory) if name.endswith(".conf"))


def _names(host: Asked, directory: str) -> list[str]:
    there = host.file(directory)
    return there.listdir() if there.is_directory else []
