"""A full conntrack table takes the memory that the sizing says."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.vm import audited, command, harden

from fleet.cli.playbook import find_playbook
from fleet.kernel.sizing import BUCKET_BYTES, size_conntrack
from fleet.lab import vm

pytestmark = pytest.mark.vm

FILL = Path(__file__).parents[1] / "support" / "vm_fill.sh"
TOLERANCE = 0.15


def test_a_full_table_takes_what_the_sizing_says(lab: vm.VmLab, machine: str, say: Callable[[str], None]) -> None:
    playbook = find_playbook("conntrack-only")
    command(lab, machine, "modprobe nf_conntrack")
    harden(lab, playbook)
    facts = audited(lab, machine, playbook).facts
    assert facts is not None
    assert isinstance(facts.conntrack.object_bytes, int)
    sizing = size_conntrack(
        ram_bytes=facts.identity.ram_bytes,
        cores=facts.identity.cores,
        object_bytes=facts.conntrack.object_bytes,
        peak_entries=None,
        headroom=2,
        ram_share=0.0625,
    )
    # The last of them may find no room: SSH has a connection too.
    entries = sizing.max - 8
    before, after = map(int, command(lab, machine, f"bash -s {entries}", stdin=FILL.read_bytes()).split())
    count = int(command(lab, machine, "cat /proc/sys/net/netfilter/nf_conntrack_count"))
    assert entries <= count <= sizing.max
    # The buckets are there before the first entry, and are no slab.
    predicted = sizing.memory_bytes - BUCKET_BYTES * sizing.buckets
    grown = after - before
    say(f"{count} entries: {predicted} bytes of slab predicted, {grown} found ({grown / predicted - 1:+.1%})")
    assert abs(grown - predicted) <= TOLERANCE * predicted
