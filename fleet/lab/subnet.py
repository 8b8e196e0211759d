"""Addresses for a lab that nothing else on this machine uses."""

import json
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network

from fleet.model.errors import LabError

# Set aside for tests of network devices, so no real network should use it: https://www.rfc-editor.org/rfc/rfc2544
_RANGE = IPv4Network("198.18.0.0/15")
_PREFIX = 22
_CHOOSING = "\0fleet-lab-subnet"


def first_free(used: Iterable[IPv4Network]) -> IPv4Network | None:
    """The first /22 of 198.18.0.0/15 that overlaps none of ``used``; None when all are taken.

    A network that holds the whole range, such as a default route, is no obstacle: ours is the more specific one.
    """
    obstacles = [network for network in used if not _RANGE.subnet_of(network)]
    for candidate in _RANGE.subnets(new_prefix=_PREFIX):
        if not any(candidate.overlaps(network) for network in obstacles):
            return candidate
    return None


def in_use() -> tuple[IPv4Network, ...]:
    """What this network namespace has routes to, in all its tables.

    Raises:
        LabError: ``ip`` does not answer.
    """
    command = ["ip", "-4", "-json", "route", "show", "table", "all"]
    result = subprocess.run(command, capture_output=True, check=False, text=True)  # noqa: S603 - fixed arguments
    if result.returncode != 0:
        raise LabError(f"`ip route` failed: {result.stderr.strip()}")
    destinations = (route["dst"] for route in json.loads(result.stdout or "[]"))
    return tuple(IPv4Network(dst, strict=False) for dst in destinations if dst != "default")


@contextmanager
def choosing(within: float = 60.0) -> Iterator[None]:
    """Lets one lab at a time choose, from looking at the routes until its own route is there.

    The lock is an abstract socket name: as wide as the routes (the network namespace), and gone with its process.

    Raises:
        LabError: another lab holds it for too long.
    """
    deadline = time.monotonic() + within
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as lock:
        while True:
            try:
                lock.bind(_CHOOSING)
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    raise LabError(f"another lab has been choosing its addresses for {within:.0f} s") from error
                time.sleep(0.02)
        yield
