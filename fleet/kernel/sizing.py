"""How large the conntrack table of a node should be, with the reason for every number.

Three numbers come out, from what is needed to what is written:

* ``base``: what a node of this size needs without knowing its traffic. A smaller table is a finding.
* ``demand``: the base or, where that is more, the observed peak with headroom.
* ``max``: the demand rounded up to a power of two, and never less than the kernel's own default: what to write.

All are limited by a share of RAM and by ``UPPER_LIMIT``. A power of two is used because the kernel rounds the hash
table up to whole pages of buckets (100000 becomes 100352): a power of two from 8192 up is whole pages for pages of
4, 16 and 64 KiB, so what is written is what is read back. It also makes alike nodes get one number: with 256 bytes or a
little more an entry and a share that is a power of two itself, the steps lie just above 1, 2, 4 ... GiB, and the memory
that firmware takes from such machines does not carry them over a step.
"""

import math
from dataclasses import dataclass
from typing import Literal

PER_CORE = 32_768
"""Entries a core: kube-proxy's ``conntrack.maxPerCore``."""

LEAST = 131_072
"""Entries for the smallest node: kube-proxy's ``conntrack.min``."""

CORES_LIMIT = 1_048_576
"""Most entries that cores alone ask for, as in kube-proxy 1.36: more cores are not more connections.

https://github.com/kubernetes/kubernetes/pull/137002
"""

UPPER_LIMIT = 4_194_304
"""Most entries at all, reached by an observed peak only: where GKE's published range ends (AKS's ends at 2097152).

https://cloud.google.com/kubernetes-engine/docs/how-to/node-system-config
"""

KERNEL_DEFAULT = 262_144
"""What the kernel itself chooses above ``KERNEL_DEFAULT_ABOVE`` bytes of RAM; there is no reason to write less.

https://docs.kernel.org/networking/nf_conntrack-sysctl.html
"""

KERNEL_DEFAULT_ABOVE = 4 * 2**30

SMALLEST_TABLE = 1_024
"""The kernel's own smallest number of buckets, for machines whose share of RAM is tiny."""

ASSUMED_OBJECT_BYTES = 320
"""Slab object size where /proc/slabinfo cannot be read: the larger of the sizes that common kernels have."""

BUCKET_BYTES = 8

Limit = Literal["demand", "ram", "upper-limit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConntrackSizing:
    """The table of one node.

    Attributes:
        base: entries that a node of this size needs at least, whatever its traffic.
        demand: entries needed with the observed peak and headroom.
        max: for nf_conntrack_max; a power of two.
        buckets: for nf_conntrack_buckets; equal to max as in the kernel's own defaults.
        hashsize: for the module parameter, which is the same number as buckets.
        chain_length: mean entries in a chain of the full table; each connection is stored twice.
        memory_bytes: of the full table with its buckets.
        limited_by: what decided ``max``.
        explanation: one sentence for each step.
    """

    base: int
    demand: int
    max: int
    buckets: int
    hashsize: int
    chain_length: float
    memory_bytes: int
    limited_by: Limit
    explanation: tuple[str, ...]


def size_conntrack(  # noqa: PLR0913 - six named facts of one node; a type for them would only rename them
    *,
    ram_bytes: int,
    cores: int,
    object_bytes: int | None,
    peak_entries: int | None,
    headroom: float,
    ram_share: float,
) -> ConntrackSizing:
    """Size the conntrack table of one node.

    Args:
        ram_bytes: MemTotal.
        cores: processors online.
        object_bytes: size of one slab object; None assumes ``ASSUMED_OBJECT_BYTES``.
        peak_entries: most entries ever seen; None where nothing is known.
        headroom: how many times the peak must fit, 1 or more.
        ram_share: most of the RAM that the full table may take, above 0 and up to 1.

    Raises:
        ValueError: an argument is out of its range.
    """
    _check_node(ram_bytes, cores, object_bytes)
    _check_wishes(peak_entries, headroom, ram_share)
    entry_bytes = (object_bytes or ASSUMED_OBJECT_BYTES) + BUCKET_BYTES
    ram_limit = max(_floor_power_of_two(int(ram_bytes * ram_share) // entry_bytes), SMALLEST_TABLE)
    ceiling = min(ram_limit, UPPER_LIMIT)

    by_cores = min(max(PER_CORE * cores, LEAST), CORES_LIMIT)
    by_peak = 0 if peak_entries is None else math.ceil(peak_entries * headroom)
    needed = max(by_cores, by_peak)
    by_kernel = KERNEL_DEFAULT if ram_bytes > KERNEL_DEFAULT_ABOVE else 0
    rounded = max(_ceiling_power_of_two(needed), by_kernel)
    size = min(rounded, ceiling)
    limited_by: Limit = "demand" if rounded <= ceiling else "ram" if ram_limit < UPPER_LIMIT else "upper-limit"
    memory_bytes = size * entry_bytes

    origin = "assumed" if object_bytes is None else "from slabinfo"
    explanation = (
        f"{cores} cores at {PER_CORE} entries each, at least {LEAST} and at most {CORES_LIMIT}: {by_cores}",
        "no peak is known"
        if peak_entries is None
        else f"a peak of {peak_entries} entries with headroom {headroom:g}: {by_peak}",
        f"{ram_share:.2%} of RAM at {entry_bytes} bytes ({origin}) an entry with its bucket allows {ram_limit}",
        _decision(limited_by, needed, size),
        f"{size} buckets keep chains at 2 entries; the full table takes {memory_bytes / 2**20:.0f} MiB",
    )
    return ConntrackSizing(
        base=min(by_cores, ceiling),
        demand=min(needed, ceiling),
        max=size,
        buckets=size,
        hashsize=size,
        chain_length=chain_length(size, size),
        memory_bytes=memory_bytes,
        limited_by=limited_by,
        explanation=explanation,
    )


def chain_length(most_entries: int, buckets: int) -> float:
    """Mean entries in one chain of a full table: each connection is stored once for each direction."""
    return 2 * most_entries / buckets


def _check_node(ram_bytes: int, cores: int, object_bytes: int | None) -> None:
    if ram_bytes < 1 or cores < 1:
        raise ValueError(f"a node with {ram_bytes} bytes of RAM and {cores} cores cannot be sized")
    if object_bytes is not None and object_bytes < 1:
        raise ValueError(f"an entry of {object_bytes} bytes is not possible")


def _check_wishes(peak_entries: int | None, headroom: float, ram_share: float) -> None:
    if peak_entries is not None and peak_entries < 0:
        raise ValueError(f"a peak of {peak_entries} entries is not possible")
    if headroom < 1:
        raise ValueError(f"headroom {headroom:g} is below 1: the table would be smaller than the peak")
    if not 0 < ram_share <= 1:
        raise ValueError(f"a share of {ram_share:g} of the RAM is not above 0 and up to 1")


def _decision(limited_by: Limit, needed: int, size: int) -> str:
    match limited_by:
        case "demand":
            return f"{needed} are needed; as a power of two, and not below the kernel's own default: {size}"
        case "ram":
            return f"{needed} are needed, but the share of RAM ends at {size}"
        case "upper-limit":
            return f"{needed} are needed, but {size} is the most that is set"


def _ceiling_power_of_two(number: int) -> int:
    return 1 << (number - 1).bit_length() if number > 1 else 1


def _floor_power_of_two(number: int) -> int:
    return 1 << (number.bit_length() - 1) if number else 0
