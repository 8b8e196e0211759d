"""Waiting until nodes answer as an SSH server does."""

import os
import socket
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from fleet.lab import processes
from fleet.lab.launch import last_lines
from fleet.model.errors import LabError

_AT_ONCE = 8
_PAUSE = 0.05
_PORT = 22


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """A node that was told to go on; ``pid`` is its process 1."""

    name: str
    address: IPv4Address
    pid: int
    log: Path


def wait_until_ready(nodes: Iterable[Awaited], within: float) -> None:
    """Returns when every node has sent its SSH banner.

    Args:
        nodes: in the order they were started.
        within: seconds for all of them.

    Raises:
        LabError: a node ended, or did not answer in time; with the last lines of its log.
    """
    deadline = time.monotonic() + within
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        futures = [pool.submit(_wait, node, deadline) for node in nodes]
        try:
            for future in futures:
                future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _wait(node: Awaited, deadline: float) -> None:
    while True:
        # Asked first, because it costs the node nothing: a connection makes sshd fork.
        if processes.is_listening(node.pid) and _greets(node.address, deadline):
            return
        if not _is_alive(node.pid):
            raise LabError(f"node {node.name} ended while it started\n{last_lines(node.log)}")
        if time.monotonic() > deadline:
            raise LabError(f"node {node.name} did not answer on {node.address}:{_PORT} in time\n{last_lines(node.log)}")
        time.sleep(_PAUSE)


def _greets(address: IPv4Address, deadline: float) -> bool:
    left = max(deadline - time.monotonic(), _PAUSE)
    try:
        with socket.create_connection((str(address), _PORT), timeout=left) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
