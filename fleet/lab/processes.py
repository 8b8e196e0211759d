"""The processes of a lab, found by a token in their environment and by nothing else.

The token survives a ``kill -9`` of whoever built the lab, and no process that is not the lab's carries it.
"""

import os
import select
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fleet.model.errors import LabError

TOKEN_VARIABLE = "FLEET_LAB_TOKEN"  # noqa: S105 - the name of a variable that tells labs apart, no secret
NODE_VARIABLE = "FLEET_LAB_NODE"

_PROC = Path("/proc")
_SSH_PORT = 22
_LISTEN = "0A"
_LOOKS = 2
_BETWEEN_LOOKS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class LabProcess:
    """One process that carries a lab's token.

    Attributes:
        node: the node it belongs to; empty for the switch.
        is_init: whether it is process 1 of a node.
    """

    pid: int
    node: str
    is_init: bool


def environment(token: str, node: str) -> dict[str, str]:
    """The whole environment for a process of the lab; nothing of ours goes in."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {"PATH": path, "LC_ALL": "C", TOKEN_VARIABLE: token, NODE_VARIABLE: node}


def find(token: str) -> tuple[LabProcess, ...]:
    """All processes of the lab with that token; needs root to see those of others."""
    return tuple(process for pid in _pids() if (process := _look(pid, token)) is not None)


def kill_all(token: str, *, node: str | None = None, within: float = 30.0) -> int:
    """Kills the lab's processes, or those of one node, and waits until they are gone; returns how many there were.

    Raises:
        LabError: some are still there when the time is up.
    """
    deadline = time.monotonic() + within
    killed = 0
    nothing_seen = 0
    # A process shows its environment once execve is through: one whose builder was killed meanwhile comes up late.
    while nothing_seen < _LOOKS:
        handles = _open(token, node)
        nothing_seen = 0 if handles else nothing_seen + 1
        if 0 < nothing_seen < _LOOKS:
            select.select([], [], [], _BETWEEN_LOOKS)
        try:
            for handle in handles:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
            gone = _wait_for_end(handles, deadline)
        finally:
            for handle in handles:
                os.close(handle)
        killed += gone
        if gone < len(handles):
            raise LabError(
                f"{len(handles) - gone} processes of the lab did not end within {within:.0f} s of being killed; "
                "look for processes in state D with `ps -eo pid,stat,comm` and try again"
            )
    return killed


def is_listening(pid: int) -> bool:
    """Whether anything listens on port 22 in the network namespace of ``pid``; no packet is sent to find out."""
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (_PROC / str(pid) / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == _SSH_PORT:
                    return True
    return False


def memory(inits: dict[int, str]) -> dict[str, int]:
    """Bytes of memory (PSS) by node, from the process 1 of each node and all that shares its PID namespace."""
    node_of_namespace = {space: node for pid, node in inits.items() if (space := _namespace(pid))}
    totals = dict.fromkeys(inits.values(), 0)
    for pid in _pids():
        node = node_of_namespace.get(_namespace(pid))
        if node is not None:
            totals[node] += resident(pid)
    return totals


def resident(pid: int) -> int:
    """Bytes of memory (PSS) of one process; 0 when it has ended."""
    try:
        rollup = (_PROC / str(pid) / "smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:")), 0)


def _pids() -> list[int]:
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal()]


def _look(pid: int, token: str) -> LabProcess | None:
    try:
        entries = (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
        if f"{TOKEN_VARIABLE}={token}".encode() not in entries:
            return None
        status = (_PROC / str(pid) / "status").read_text(errors="replace")
    except OSError:
        # It ended while we looked.
        return None
    prefix = f"{NODE_VARIABLE}=".encode()
    node = next((entry.removeprefix(prefix).decode() for entry in entries if entry.startswith(prefix)), "")
    # The ids of the process in each nested PID namespace, ours first: https://docs.kernel.org/filesystems/proc.html
    ids = next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])
    return LabProcess(pid=pid, node=node, is_init=len(ids) > 1 and ids[-1] == "1")


def _open(token: str, node: str | None) -> list[int]:
    handles = []
    for process in find(token):
        if node is not None and process.node != node:
            continue
        with suppress(ProcessLookupError):
            handle = os.pidfd_open(process.pid)
            # The handle holds this process and no other: look again now that its id cannot be given away any more.
            if _look(process.pid, token) is None:
                os.close(handle)
            else:
                handles.append(handle)
    return handles


def _wait_for_end(handles: list[int], deadline: float) -> int:
    poller = select.poll()
    for handle in handles:
        poller.register(handle, select.POLLIN)
    waiting = len(handles)
    while waiting and (left := deadline - time.monotonic()) > 0:
        for handle, _ in poller.poll(left * 1000):
            poller.unregister(handle)
            waiting -= 1
    return len(handles) - waiting


def _namespace(pid: int) -> str:
    try:
        return str((_PROC / str(pid) / "ns" / "pid").readlink())
    except OSError:
        return ""
