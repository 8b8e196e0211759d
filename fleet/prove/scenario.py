"""What a scenario of the proof is, and what the programs are asked to measure for one of its cells."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fleet.kernel.invalid import BE_LIBERAL
from fleet.kernel.version import KernelVersion
from fleet.model.proof import Fix, Outcome

_USUAL: Final[tuple[Fix, ...]] = ("before", "be-liberal", "invalid-rule", "hardened", "keepalive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """The node that the namespaces play.

    Attributes:
        values: sysctls of its network namespace, by key in dots.
        invalid_rule: whether it drops INVALID segments as it forwards.
        is_cured: whether it must be as good before any fix as hardened, because it was hardened already.
        hardened: what the playbook wants there.
        hardened_pods: what it wants that pods would have to be given themselves.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    invalid_rule: bool = False
    is_cured: bool = False
    hardened: Mapping[str, str] = field(default_factory=dict)
    hardened_pods: Mapping[str, str] = field(default_factory=dict)

    @property
    def protection(self) -> Fix:
        """The fix that the node has already; ``before`` where it has none."""
        if self.values.get(BE_LIBERAL, "0") != "0":
            return "be-liberal"
        return "invalid-rule" if self.invalid_rule else "before"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One fault.

    Attributes:
        shows: what it teaches, in a sentence or two.
        experiment: the program that makes it: a key of ``fleet.prove.inside.__main__.EXPERIMENTS``.
        parameters: for the program.
        promises: what becomes of a connection under each fix that is tried, on an unprotected node.
        values: of the node under every fix, such as a timeout that is short enough to wait for.
        fix_values: of the node under one fix.
        fix_pod_values: of the client pod under one fix.
        fix_parameters: for the program under one fix.
        ipv6: whether connections are made over IPv6, rather than IPv4.
        old_kernels: what older kernels than 6.1 may do before any fix, too.
        pod_key: the sysctl by which the fix ``pods`` helps.
        fills_table: it takes memory of the whole machine, and a time in which the kernel searches longer for every
            connection: not for a node with live traffic.
    """

    name: str
    title: str
    shows: str
    experiment: str
    parameters: Mapping[str, Any]
    promises: Mapping[Fix, Outcome]
    values: Mapping[str, str] = field(default_factory=dict)
    fix_values: Mapping[Fix, Mapping[str, str]] = field(default_factory=dict)
    fix_pod_values: Mapping[Fix, Mapping[str, str]] = field(default_factory=dict)
    fix_parameters: Mapping[Fix, Mapping[str, Any]] = field(default_factory=dict)
    ipv6: bool = False
    old_kernels: frozenset[Outcome] = frozenset()
    pod_key: str = ""
    fills_table: bool = False

    def fixes(self, node: Node) -> tuple[Fix, ...]:
        """Those that are tried; what the playbook would give pods only where it has the key that counts."""
        return tuple(fix for fix in self.promises if fix != "pods" or self.pod_key in node.hardened_pods)

    def promised(self, fix: Fix, node: Node, kernel: KernelVersion) -> frozenset[Outcome]:
        """What may become of a connection under a fix, on this node and kernel."""
        if fix == "before" and node.is_cured and "hardened" in self.promises:
            return frozenset({self.promises["hardened"]})
        # A node that is protected already is, before any fix, as under that fix.
        known = node.protection if fix == "before" and node.protection in self.promises else fix
        promise = frozenset({self.promises[known]})
        return promise | self.old_kernels if known == "before" and kernel < (6, 1) else promise


def row(*usual: Outcome, also: Mapping[Fix, Outcome] | None = None) -> Mapping[Fix, Outcome]:
    """What a scenario promises.

    Args:
        usual: before any fix, with be_liberal, with the INVALID rule, as hardened, and with keepalive where there is a
            connection that it could keep.
        also: under the fixes that only this scenario has.
    """
    return {**dict(zip(_USUAL, usual, strict=False)), **(also or {})}


def cell_request(scenario: Scenario, fix: Fix, node: Node, runs: int) -> dict[str, Any]:
    """What the program inside is asked: pure data, as JSON has it."""
    values = {**node.values}
    pods: dict[str, str] = dict(scenario.fix_pod_values.get(fix, {}))
    invalid_rule = node.invalid_rule
    if fix in ("be-liberal", "invalid-rule", "keepalive"):
        # Each of them alone, whatever the node has.
        values[BE_LIBERAL] = "1" if fix == "be-liberal" else "0"
        invalid_rule = fix == "invalid-rule"
    if fix in ("hardened", "pods"):
        values |= node.hardened
    if fix == "pods":
        pods |= node.hardened_pods
    values |= {**scenario.values, **scenario.fix_values.get(fix, {})}
    return {
        "experiment": scenario.experiment,
        "runs": runs,
        "values": {"node": values, "client": pods},
        "invalid_rule": invalid_rule,
        "ipv6": scenario.ipv6,
        "parameters": {**scenario.parameters, **scenario.fix_parameters.get(fix, {})},
    }


BUILD_ONLY: Final[Mapping[str, Any]] = {
    "experiment": "none",
    "runs": 0,
    "values": {},
    "invalid_rule": True,
    "ipv6": False,
    "parameters": {},
}
"""A request that measures nothing."""
