"""What of a node's configuration a checker watches."""

import hashlib
import re
from collections.abc import Mapping

from fleet.facts.tree import mask_file
from fleet.kernel.boot.tree import BASES
from fleet.model.facts import NodeFacts, NodeFile
from fleet.plan.common import is_managed
from fleet.policy.on_node import CHECKER_FILES

# The probe gives these as they are; it masks secrets in everything else.
_EXACT = tuple(f"{base}/{tree}/" for base in BASES for tree in ("sysctl.d", "modules-load.d", "modprobe.d"))
_ENABLES = re.compile(r"\.(?:wants|requires)/[^/]+\Z")
# As the probe names a file of another root directory, such as that of a container.
_INSIDE = re.compile(r"/proc/\d+/root/")
_HALF = 2**29
_GIBIBYTE = 2**30


def gibibytes(ram_bytes: int) -> int:
    """The size of a machine, of which each boot takes a little more or less away."""
    return (ram_bytes + _HALF) // _GIBIBYTE


def process_names(facts: NodeFacts) -> tuple[str, ...]:
    """The names of the processes that write kernel settings."""
    processes = facts.processes if isinstance(facts.processes, tuple) else ()
    return tuple(sorted({process.name for process in processes}))


def written_files(facts: NodeFacts) -> Mapping[str, str | None]:
    """The files that fleet has written, with the hash of their content where the probe gives that as it is."""
    return {
        path: _sum(file.content) if path.startswith(_EXACT) and file.content is not None else None
        for path, file in sorted(facts.files.items())
        if is_managed(file) and path not in CHECKER_FILES
    }


def unseen(facts: NodeFacts) -> tuple[str, ...]:
    """What verdicts rest on and a node does not see change, one sentence each."""
    processes = facts.processes if isinstance(facts.processes, tuple) else ()
    inside = sorted({process.name for process in processes if _INSIDE.match(process.config)})
    return tuple(f"the checker on the node does not see changes of the file that {name} reads" for name in inside)


def fingerprint(facts: NodeFacts) -> str:
    """A hash of the configuration, so that one that has changed is planned on anew."""
    told = [_told(path, file) for path, file in sorted(facts.files.items()) if is_configuration(path)]
    return _sum("\n".join(told).encode(errors="backslashreplace"))


def _told(path: str, file: NodeFile) -> str:
    # Links by which units are enabled count by their name alone, and systemd chooses how to write where they lead.
    if _ENABLES.search(path):
        return path
    return f"{path}\t{file.kind}\t{_sum(mask_file(path, file.content or b''))}"


def is_configuration(path: str) -> bool:
    """Whether a file is one that verdicts may rest on."""
    # The files of a process are under another name after its next start.
    return (
        path not in CHECKER_FILES
        and path != "/etc/machine-id"
        and (not path.startswith("/proc/") or path == "/proc/cmdline")
    )


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
