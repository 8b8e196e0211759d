"""What an audit says about one host."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from fleet.model.errors import HostErrorKind
from fleet.model.facts import NodeFacts

Impact = Literal["low", "medium", "high", "critical"]
FindingStatus = Literal["pass", "fail", "warn", "skip", "error"]
Scope = Literal["host", "host-namespace", "namespace"]
HostStatus = Literal["ok", "findings", "failed", "unreachable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The verdict of one control on one host.

    Attributes:
        reason: one sentence with the value seen and the value expected, or why the control was skipped.
        settings: the sysctl keys the control is about; empty for other settings.
    """

    control: str
    title: str
    status: FindingStatus
    impact: Impact
    reason: str
    settings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingState:
    """One sysctl key on one host.

    Attributes:
        live: as the kernel prints it, whitespace folded to one blank; None where it could not be read.
        expected: the predicate of the playbook in words, such as ``1`` or ``at least 262144``.
        scope: how far the value reaches; ``namespace`` values do not reach pods.
    """

    key: str
    live: str | None
    expected: str
    scope: Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a host could not be checked."""

    kind: HostErrorKind | Literal["internal"]
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostAudit:
    """One host of an audit; ``facts`` and ``findings`` are empty where ``error`` is set."""

    name: str
    status: HostStatus
    error: Failure | None = None
    findings: tuple[Finding, ...] = ()
    settings: tuple[SettingState, ...] = ()
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
