"""On what was measured, and which versions."""

import json
import os
import platform
import subprocess
from importlib.metadata import distributions, version
from pathlib import Path

from fleet import __version__

_PEERS = ("ansible-core", "mitogen", "pyinfra", "pytest-testinfra", "paramiko")
_GIB = 2**30


def describe(peers: Path) -> str:
    """One paragraph.

    Args:
        peers: where the programs of the other contestants are; of those that are not there nothing is said.
    """
    with Path("/proc/cpuinfo").open() as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    model = models[0] if models else platform.machine()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / _GIB
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    cores = len(os.sched_getaffinity(0))
    own = f"Python {platform.python_version()}, fleet {__version__}, paramiko {version('paramiko')}"
    return (
        f"{cores} cores ({model}), {memory:.0f} GiB, Linux {platform.release()}, {system}; {own}, {_openssh()}."
        f" The others: {_others(peers)}."
    )


def _openssh() -> str:
    told = subprocess.run(["ssh", "-V"], capture_output=True, check=True, text=True).stderr  # noqa: S607 as of PATH
    return told.split(",")[0].replace("_", " ")


def _others(peers: Path) -> str:
    places = [str(path) for path in peers.parent.glob("lib/python3*/site-packages")]
    found = {each.name: each.version for each in distributions(path=places)}
    collection = next(peers.parent.glob("lib/python3*/site-packages/ansible_collections/ansible/posix"), None)
    posix = () if collection is None else (f"ansible.posix {_collection(collection)}",)
    return ", ".join((*(f"{name} {found[name]}" for name in _PEERS if name in found), *posix)) or "none"


def _collection(folder: Path) -> str:
    return str(json.loads((folder / "MANIFEST.json").read_text())["collection_info"]["version"])
