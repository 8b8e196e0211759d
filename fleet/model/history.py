"""Runs as the history keeps them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from fleet.model.trend import TrendPoint

HistoryKind = Literal["audit", "plan", "apply", "rollback", "verify", "drift", "prove", "diagnose"]
HistoryStatus = Literal["unfinished", "running", "done", "failed", "interrupted"]
HistoryPart = Literal["result", "audit", "plan"]
"""What is kept of a run as JSON: what the command told; the audit behind a drift check; the plan that was applied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryBegin:
    """A run at its beginning.

    Attributes:
        who: the login name.
        machine: the controller's name.
        directory: where it was started.
        process: names the process on its machine, so that it can be told whether it still runs.
        playbook: as given by the operator; empty where there is none.
        digest: of the playbook; empty where it is not known.
        started: ISO 8601 in UTC.
    """

    run_id: str
    kind: HistoryKind
    who: str
    machine: str
    directory: str
    process: str
    playbook: str
    digest: str
    version: str
    started: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryHost:
    """What became of one host.

    Attributes:
        status: as the run's own result has it.
        error: why it failed; empty where it did not.
        findings: controls or tests that are not met, or open drift.
        changes: things that were changed, or that would be.
    """

    name: str
    status: str
    error: str = ""
    findings: int = 0
    changes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEnd:
    """A run at its end.

    Attributes:
        exit_code: of the command.
        message: why it failed; empty where it did not.
        finished: ISO 8601 in UTC.
        parts: what is kept as JSON, whole or in pieces.
        point: what it came to, of an audit and of a drift check.
    """

    status: Literal["done", "failed", "interrupted"]
    exit_code: int
    finished: str
    message: str = ""
    hosts: tuple[HistoryHost, ...] = ()
    parts: Mapping[HistoryPart, str | Iterator[str]] = field(default_factory=dict)
    point: TrendPoint | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """A run of the history.

    Attributes:
        status: ``unfinished``: no end was recorded; it was killed, or it still runs on another machine.
        finished, exit_code: None without an end.
        counts: hosts by status.
        findings, changes: over all hosts.
    """

    begin: HistoryBegin
    status: HistoryStatus
    finished: str | None
    exit_code: int | None
    message: str
    counts: Mapping[str, int] = field(default_factory=dict)
    findings: int = 0
    changes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryWanted:
    """Which runs to look up: of these kinds, all where there are none; with this host; and at most how many."""

    kinds: tuple[HistoryKind, ...] = ()
    host: str | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRun:
    """One run of the history with all that is kept of it."""

    entry: HistoryEntry
    hosts: tuple[HistoryHost, ...]
    parts: Mapping[HistoryPart, str] = field(default_factory=dict)
