"""The reset reproduced in throw-away namespaces: what was promised, and what this kernel did."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["alive", "reset", "hangs", "dropped", "exhausted", "stays", "gone"]
"""Of one connection.

``alive``: it carries data both ways. ``reset``: an end was told that it is broken. ``hangs``: nobody is told anything.
``dropped``: a new one is not answered, and live ones go on. ``exhausted``: a new one gets no port. ``stays`` and
``gone``: a closed one is still in the kernel's table, or no longer.
"""

Fix = Literal[
    "before", "be-liberal", "invalid-rule", "keepalive", "timeout", "fin-timeout", "tw-reuse", "hardened", "pods"
]
"""What is done against a fault.

``before``: nothing, the node as it is. ``keepalive``: the client's probes come sooner than the timeout. ``timeout``: it
is longer than the silence. ``hardened``: the node as the playbook wants it. ``pods``: and the pods too.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One scenario under one fix.

    Attributes:
        promised: any of them is as promised.
        outcomes: how many connections ended how.
        seen: how many ends were told what, such as ``server: ECONNRESET``.
        resets: how many RST segments went ``SENDER to RECEIVER``.
        counters: by ``client``, ``node`` and ``server``, those that rose, by nstat's names and conntrack's.
        notes: what else was measured.
        refused: sysctls that the namespace did not take, and why.
        skipped: why nothing was measured; else empty.
    """

    fix: Fix
    promised: frozenset[Outcome]
    outcomes: Mapping[Outcome, int]
    seen: Mapping[str, int] = field(default_factory=dict)
    resets: Mapping[str, int] = field(default_factory=dict)
    counters: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    skipped: str = ""

    @property
    def holds(self) -> bool:
        """Whether every connection ended as promised."""
        return bool(self.skipped) or {outcome for outcome, count in self.outcomes.items() if count} <= self.promised


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioProof:
    """One fault under each fix that has to do with it.

    Attributes:
        name: such as ``above-window``.
        shows: what it teaches, in a sentence or two.
    """

    name: str
    title: str
    shows: str
    cells: tuple[Cell, ...]

    @property
    def holds(self) -> bool:
        return all(cell.holds for cell in self.cells)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """One run of ``fleet prove``.

    Attributes:
        started: ISO 8601 in UTC, as is ``finished``.
        on: the host whose kernel it ran on; empty for this machine's.
        kernel: the release of that kernel.
        as_root: False where it ran in a user namespace.
        runs: connections in each cell.
        values_from: the host whose values the node has; empty for the kernel's defaults.
        values: those of the node before any fix, by key in dots.
        invalid_rule: whether the node drops INVALID segments as it forwards, before any fix.
        playbook: whose values the hardened node has.
        hardened: those values, by key in dots.
        notes: what else the operator should know, one sentence each.
    """

    run_id: str
    started: str
    finished: str
    version: str
    on: str = ""
    kernel: str
    as_root: bool
    runs: int
    values_from: str
    values: Mapping[str, str]
    invalid_rule: bool
    playbook: str
    hardened: Mapping[str, str]
    scenarios: tuple[ScenarioProof, ...]
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        return all(scenario.holds for scenario in self.scenarios)
