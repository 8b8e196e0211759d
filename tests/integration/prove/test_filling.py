"""A table counts as full when no more fit, and not when the kernel refuses one entry."""

import ctypes
import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

from fleet.prove.inside import conntrack
from fleet.prove.inside.filling import MOST_ENTRIES

pytestmark = pytest.mark.root

T = TypeVar("T")
_NEW_NETWORK = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


def in_a_new_network(work: Callable[[], T]) -> T:
    """In a thread of its own, with which the network namespace ends."""

    def alone() -> T:
        if _LIBC.unshare(_NEW_NETWORK):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        if not 0 < conntrack.limit() <= MOST_ENTRIES:
            pytest.skip(f"a table of {conntrack.limit()} entries is not filled")
        return work()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(alone).result()


def test_a_table_is_filled_to_its_end_though_the_kernel_refuses_an_entry_on_the_way() -> None:
    def fill_beside_another() -> tuple[int, int]:
        # One of those that are to be added is there already, and refused.
        there = "-s 198.18.0.1 -d 198.19.0.0 --sport 6024 --dport 9"
        subprocess.run(["conntrack", "-I", "-p", "udp", *there.split(), "-t", "600"], check=True, capture_output=True)
        conntrack.fill()
        return conntrack.count(), conntrack.limit()

    count, limit = in_a_new_network(fill_beside_another)
    assert count == limit


def test_a_kernel_that_takes_no_more_is_not_asked_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = conntrack.limit()
    monkeypatch.setattr(conntrack, "limit", lambda: limit + 1)
    monkeypatch.setattr(conntrack, "_TAKEN_WITHIN", 0.2)
    with pytest.raises(OSError, match=f"conntrack: {limit} of {limit + 1} entries, and no more are taken: Cannot"):
        in_a_new_network(conntrack.fill)
