"""What has become of nodes since they were last as they should be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from fleet.model.finding import Failure, FindingStatus, Impact

DriftKind = Literal["drift", "writer", "rebooted", "playbook", "new-node", "reformatted", "unknown"]
DriftState = Literal["open", "closed", "noted"]
Subject = Literal["control", "setting", "file", "node"]
DriftStatus = Literal["ok", "drift", "failed", "unreachable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """One difference on one node, as a single check sees it.

    Attributes:
        about: whether ``name`` is a control's id, a sysctl key, a file's path, or the word ``node``.
        kind: its cause. ``drift``: something outside of fleet's runs; ``writer``: a writer that was known to write this
            value; ``rebooted``: the restart, which left what its files say; ``playbook``: what is expected has changed,
            and not the node; ``new-node``: the node was not checked before; ``reformatted``: the kernel spells the same
            value otherwise; ``unknown``: there is no history to compare with.
        is_open: it breaks the playbook, or takes back what the last confirmed run has written; else it is only noted.
        impact: of the control; ``high`` where there is none.
        reason: one sentence with what was seen and what is expected.
        value: what was seen, as the kernel prints it; None where there is no single value.
        was: the value at the last check or after the last confirmed run; None likewise.
    """

    about: Subject
    name: str
    kind: DriftKind
    is_open: bool
    impact: Impact
    reason: str
    value: str | None = None
    was: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftItem:
    """One difference on one node over all checks that have seen it.

    Attributes:
        deviation: as it was seen last; its kind is that of when the value was seen first.
        state: ``noted`` ones are told once, and kept nowhere.
        first_seen, last_seen: ISO 8601 in UTC.
        closed: when it was seen to be gone; None while it is open.
    """

    host: str
    deviation: Deviation
    state: DriftState
    first_seen: str
    last_seen: str
    closed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenSetting:
    """A key as a check has seen it: now, and once the next boot is over; None where that was not known."""

    live: str | None
    after_reboot: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostState:
    """A node as it was seen last, or as a confirmed run has left it.

    Attributes:
        seen: ISO 8601 in UTC.
        by: in words, such as ``the check 20261120T120000Z-5f2a01``.
        machine_id, boot_id: None where they could not be read.
        digest: of the playbook.
    """

    seen: str
    by: str
    machine_id: str | None
    boot_id: str | None
    digest: str
    settings: Mapping[str, SeenSetting]
    controls: Mapping[str, FindingStatus]


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """What the last confirmed run has left on a node.

    Attributes:
        at: ISO 8601 in UTC.
        digest: of the playbook.
        boot_id: when the plan was made; None where it could not be read.
        values: live values that were written, by key.
        next_boot: values that the next boot leaves, by key.
        files: by path, the SHA-256 sums that the content may have as the probe gives it; none where the file went
            away.
    """

    run_id: str
    at: str
    digest: str
    boot_id: str | None
    values: Mapping[str, str] = field(default_factory=dict)
    next_boot: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostDrift:
    """One host of a drift check; ``items`` are those that were open before where ``error`` is set."""

    name: str
    status: DriftStatus
    error: Failure | None = None
    items: tuple[DriftItem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReport:
    """One drift check.

    Attributes:
        started, finished: ISO 8601 in UTC.
        playbook: as given by the operator.
        digest: of the playbook.
        hosts: by inventory name, in the inventory's order.
        notes: what else the operator should know, one sentence each.
    """

    run_id: str
    started: str
    finished: str
    playbook: str
    digest: str
    version: str
    hosts: Mapping[str, HostDrift]
    notes: tuple[str, ...] = ()
