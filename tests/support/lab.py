"""Labs for tests: built, reached with the real ssh client, and looked for when they should be gone."""

import math
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from fleet import lab
from fleet.lab import processes
from fleet.lab.record import LabRecord, lab_paths, load

_NAMESPACES = ("net", "pid", "mnt")


@contextmanager
def running_lab(state_dir: Path, nodes: int, *, name: str = "default", seed: int = 1) -> Iterator[lab.Lab]:
    """A lab that is removed at the end, whatever happened to it."""
    built = lab.up(lab.LabRequest(nodes=nodes, state_dir=state_dir, name=name, seed=seed))
    try:
        yield built
    finally:
        lab.down(state_dir, name)


def ssh(built: lab.Lab, node: str, command: str, *, user: str = "root") -> subprocess.CompletedProcess[str]:
    """Runs a command on a node with the OpenSSH client, which trusts the lab's known_hosts and nothing else."""
    options = {
        "BatchMode": "yes",
        "IdentitiesOnly": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": str(built.known_hosts),
        "GlobalKnownHostsFile": "/dev/null",
        "ConnectTimeout": "10",
        # The post-quantum exchange costs ten times as much, and is not what is tested.
        "KexAlgorithms": "curve25519-sha256",
    }
    arguments = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    target = f"{user}@{built.node(node).address}"
    return subprocess.run(
        ["ssh", "-F", "/dev/null", "-i", str(built.identity_file), *arguments, target, command],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )


def record_of(state_dir: Path, name: str = "default") -> LabRecord | None:
    """The lab's record, once there is one."""
    return load(lab_paths(state_dir, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespaces:
    """The namespaces in which a lab's processes live and we do not.

    Attributes:
        seen: when, in seconds since the boot. The kernel gives their numbers to those of other labs once they are gone.
    """

    names: frozenset[str] = frozenset()
    seen: float = 0.0


def namespaces(token: str) -> Namespaces:
    """Those of a lab that is there."""
    found = {space for process in processes.find(token) for space in _namespaces_of(process.pid)}
    names = frozenset(found - set(_namespaces_of(os.getpid())))
    return Namespaces(names=names, seen=time.clock_gettime(time.CLOCK_BOOTTIME))


def remains(state_dir: Path, record: LabRecord, spaces: Namespaces) -> list[str]:
    """What is left of a lab, in words; a lab that is gone has left nothing.

    Args:
        state_dir: where the lab was.
        record: what it remembered of itself while it was there.
        spaces: its ``namespaces`` while it ran.
    """
    left = [f"process {process.pid} of {process.node!r}" for process in processes.find(record.token)]
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    left += [
        f"process {pid} in a namespace of the lab"
        for pid in pids
        if spaces.names & set(_namespaces_of(pid)) and _began(pid) <= spaces.seen
    ]
    left += [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(state_dir) in line]
    if Path("/sys/class/net", record.uplink).exists():
        left.append(f"interface {record.uplink}")
    if record.subnet is not None:
        routes = subprocess.run(
            ["ip", "-4", "route", "show", "table", "all"], capture_output=True, check=True, text=True
        )
        left += [line for line in routes.stdout.splitlines() if record.uplink in line]
    left += [str(path) for path in state_dir.rglob("*")]
    return left


def _began(pid: int) -> float:
    """When a process began, in seconds since the boot; what has ended meanwhile began never."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return math.inf
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _namespaces_of(pid: int) -> list[str]:
    found: list[str] = []
    with suppress(OSError):
        # A zombie holds nothing but its number, until this machine's process 1 takes notice.
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return found
    for kind in _NAMESPACES:
        with suppress(OSError):
            found.append(str(Path(f"/proc/{pid}/ns/{kind}").readlink()))
    return found
