"""Which Kubernetes releases a component may be of, and what differs between them.

Only minor releases count: ``28`` stands for 1.28.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fleet.kernel.options import options
from fleet.kernel.writers.writer import Rule, Write, shown
from fleet.model.facts import NodeFacts, NodeProcess

_VERSION = re.compile(r"(?<![\w.])v?1\.([1-9]\d?)\.\d{1,3}(?![\d.])")
# An image of another name may count its own versions.
_IMAGE = re.compile(r"(?:.*/)?(?:kube-proxy|hardened-kubernetes|hyperkube)(?:-\w+)?:([\w.-]+)(?:@\S+)?")
_RKE2_BINARIES = "/var/lib/rancher/rke2/bin"
# pflag refuses an unknown flag, so a process that runs with one is of a release that has it:
# https://github.com/kubernetes/kube-proxy tags v1.18.0 and v1.29.0.
_FLAG_SINCE: Mapping[str, int] = {
    "conntrack-tcp-be-liberal": 29,
    "conntrack-udp-timeout": 29,
    "conntrack-udp-timeout-stream": 29,
    "ipvs-tcp-timeout": 18,
    "ipvs-tcpfin-timeout": 18,
    "ipvs-udp-timeout": 18,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Releases:
    """A range of minor releases, both ends included.

    Attributes:
        first: 0 where nothing is known.
        last: None where the range is open.
        evidence: from what it is known; empty where it is not.
    """

    first: int = 0
    last: int | None = None
    evidence: str = ""

    @property
    def exact(self) -> int | None:
        """The release where there is only one."""
        return self.first if self.first == self.last else None

    def overlap(self, other: "Releases") -> "Releases | None":
        """What both ranges hold, or None."""
        ends = [end for end in (self.last, other.last) if end is not None]
        first, last = max(self.first, other.first), min(ends, default=None)
        return Releases(first=first, last=last) if last is None or first <= last else None

    def __str__(self) -> str:
        if self.exact is not None:
            return f"1.{self.first}"
        if self.last is None:
            return f"1.{self.first} or later" if self.first else "any release"
        return f"1.{self.first} to 1.{self.last}" if self.first else f"1.{self.last} or earlier"


@dataclass(frozen=True, slots=True, kw_only=True)
class Era:
    """What releases of a range do; more than one write where even patch releases of one minor differ."""

    releases: Releases
    writes: tuple[tuple[Rule, int | None], ...]


def era(first: int, last: int | None, *writes: tuple[Rule, int | None]) -> Era:
    """The releases from 1.``first`` to 1.``last``, and what they do."""
    return Era(releases=Releases(first=first, last=last), writes=writes)


def possible_writes(eras: Iterable[Era], releases: Releases) -> tuple[Write, ...]:
    """What a component of one of these releases may do; equal writes are told once, with all their releases."""
    found: dict[tuple[Rule, int | None], list[Releases]] = {}
    overlaps = [(overlap, each) for each in eras if (overlap := each.releases.overlap(releases)) is not None]
    for overlap, each in overlaps:
        for write in each.writes:
            found.setdefault(write, []).append(overlap)
    certain = len(found) == 1
    return tuple(
        Write(rule=rule, value=None if value is None else str(value), releases="" if certain else _joined(ranges))
        for (rule, value), ranges in found.items()
    )


def _joined(ranges: Sequence[Releases]) -> str:
    """Ranges in ascending order as text, those that touch as one."""
    joined: list[Releases] = []
    for each in ranges:
        before = joined[-1] if joined else None
        if before is not None and before.last is not None and each.first == before.last + 1:
            joined[-1] = Releases(first=before.first, last=each.last)
        else:
            joined.append(each)
    return ", ".join(map(str, joined))


def kube_releases(process: NodeProcess, facts: NodeFacts, arguments: Sequence[str]) -> Releases:
    """Which releases a kube-proxy, k3s or RKE2 may be of, as far as its node shows it.

    The image of a kube-proxy in a container carries it. RKE2 unpacks to a directory named after its version, to which
    its link to the binaries leads and which arguments of its components name. Else the flags in use tell the oldest
    release that knows them.

    Args:
        process: what runs.
        facts: of its node.
        arguments: those of kube-proxy, however it gets them.
    """
    if (image := _IMAGE.fullmatch(process.image)) and (match := _VERSION.search(image[1])):
        return _exactly(match, f"{process.name} (process {process.pid}) runs the image {shown(process.image)}")
    siblings = facts.processes if isinstance(facts.processes, tuple) else ()
    binaries = facts.files.get(_RKE2_BINARIES)
    if binaries is not None and any(sibling.name.startswith("rke2") for sibling in siblings):
        tail = (binaries.link or "").partition("/rke2/data/")[2]
        if match := _VERSION.search(tail):
            return _exactly(match, f"{_RKE2_BINARIES} leads to {shown(tail)}")
    for sibling in (process, *siblings):
        for argument in sibling.arguments[:1] if sibling is process else sibling.arguments:
            tail = argument if sibling is process else argument.partition("/rke2/data/")[2]
            if match := _VERSION.search(tail):
                return _exactly(match, f"{sibling.name} names {shown(argument)}")
    since = {flag: first for flag, first in _FLAG_SINCE.items() if options(arguments, flag)}
    if not since:
        return Releases()
    flag = max(since, key=lambda name: since[name])
    return Releases(first=since[flag], evidence=f"--{flag} came with 1.{since[flag]}")


def _exactly(version: re.Match[str], evidence: str) -> Releases:
    minor = int(version[1])
    return Releases(first=minor, last=minor, evidence=evidence)
