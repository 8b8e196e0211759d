"""What an audit says about one host."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from fleet.model.errors import HostErrorKind
from fleet.model.facts import NodeFacts
from fleet.model.pods import PodRemedy

Impact = Literal["low", "medium", "high", "critical"]
FindingStatus = Literal["pass", "fail", "warn", "skip", "error"]
Scope = Literal["host", "host-namespace", "namespace"]
HostStatus = Literal["ok", "findings", "failed", "unreachable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The verdict of one control on one host.

    Attributes:
        reason: one sentence with the value seen and the value expected, or why the control was skipped.
        why: the control's reason for being, for people who have not met it before.
        settings: the sysctl keys the control is about; empty for other settings.
    """

    control: str
    title: str
    status: FindingStatus
    impact: Impact
    reason: str
    why: str = ""
    settings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A line of a file on the node.

    Attributes:
        reason: why the line does not count; empty for one that does, or where that is not known.
    """

    path: str
    line: int
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterState:
    """Something on the node that writes a key after the boot.

    Attributes:
        name: such as ``kube-proxy 1.28``.
        when: at which moment, such as ``service start``.
        value: what it writes; None where that is not known.
        effect: what it does in words, with what it depends on, such as ``raises it to 131072``.
        evidence: processes with arguments, files with lines, units.
        remedy: where the wanted value belongs so that this writer keeps it.
    """

    name: str
    when: str
    value: str | None
    effect: str
    evidence: tuple[str, ...]
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingState:
    """One sysctl key on one host.

    Attributes:
        live: as the kernel prints it, whitespace folded to one blank; None where it could not be read.
        boot: what the files leave at the next boot; None where no file sets the key, or where that is not known.
        boot_source: the line that decides ``boot``, also where it is lost or refused.
        boot_note: what else is to be said of the next boot: that no file sets the key, that the line is lost because a
            module comes too late, that the kernel refuses its value, or why it is not known; else empty.
        overridden: other lines for this key, which do not count.
        after_reboot: the value once the boot is over and every writer has run; None where that is not known.
        writers: what else writes the key.
        expected: the predicate of the playbook in words, such as ``1`` or ``at least 262144``.
        scope: how far the value reaches; ``namespace`` values do not reach pods.
    """

    key: str
    live: str | None
    boot: str | None
    boot_source: Source | None
    boot_note: str
    overridden: tuple[Source, ...]
    after_reboot: str | None
    writers: tuple[WriterState, ...]
    expected: str
    scope: Scope


Moment = Literal["now", "after_proxy_restart", "after_reboot"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """Whether something keeps INVALID segments from resetting connections, at one moment.

    Attributes:
        status: ``protected by be_liberal``, ``protected by the INVALID rule``, ``unprotected`` or ``unknown``.
    """

    status: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a host could not be checked."""

    kind: HostErrorKind | Literal["internal"]
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSummary:
    """Which machine it is, and how full its conntrack table was, as results tell it.

    Attributes:
        system: the distribution's own name, such as ``Debian GNU/Linux 12 (bookworm)``; empty where it has none.
        kubernetes: which distribution of Kubernetes, or ``none``; None where that is not known.
        proxy_mode: of kube-proxy, ``none`` where there is none, or ``unknown``.
        proxy_release: of kube-proxy, as far as it is known.
        conntrack_count: entries at the time of the reading; None where it could not be read, as are the next two.
        conntrack_max: most entries.
        conntrack_buckets: size of the hash table.
    """

    kernel: str
    system: str
    cores: int
    ram_bytes: int
    kubernetes: str | None
    proxy_mode: str
    proxy_release: str
    conntrack_count: int | None
    conntrack_max: int | None
    conntrack_buckets: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostAudit:
    """One host of an audit; ``facts`` and ``findings`` are empty where ``error`` is set.

    Attributes:
        node: None where ``error`` is set, and in results of versions that did not tell it.
        pod_remedy: None where pods were not looked into, or lack nothing that their node has set.
    """

    name: str
    status: HostStatus
    error: Failure | None = None
    findings: tuple[Finding, ...] = ()
    settings: tuple[SettingState, ...] = ()
    protection: Mapping[Moment, Protection] | None = None
    pod_remedy: PodRemedy | None = None
    node: NodeSummary | None = None
    facts: NodeFacts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """One run of an audit over all selected hosts.

    Attributes:
        started, finished: ISO 8601 in UTC.
        playbook: the path as given by the operator.
        hosts: by inventory name, in the inventory's order.
    """

    run_id: str
    started: str
    finished: str
    playbook: str
    version: str
    hosts: Mapping[str, HostAudit]
