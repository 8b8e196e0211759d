"""What the expressions of a control rest on, as far as a node can look at it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fleet.facts.request import key_in_dots
from fleet.plan.checker.checks import Anchor
from fleet.policy.expression import Expression

MODULES = ("nf_conntrack", "ip_vs", "br_netfilter")
"""Modules of which a node looks whether they are there."""

FACTS = frozenset(
    {
        "conntrack.count",
        "conntrack.max",
        "conntrack.buckets",
        "conntrack.usage_percent",
        "conntrack.chain_length",
        "ports.ephemeral_count",
    }
)
"""Numbers that a node computes by itself."""

DEMAND = "sizing.demand"
"""What a node computes from the connections that it has."""

EVERYTHING: tuple[Anchor, ...] = ("machine", "there", "files")
"""What is worked out from all of a node rests on this."""

_RESERVED = "net.ipv4.ip_local_reserved_ports"
# Of the plan: the playbook, the inventory, and constants.
_OF_THE_PLAN = frozenset({"vars", "host"})
_CONSTANTS = frozenset({("ports", "node_ports")})
_MACHINE: tuple[Anchor, ...] = ("machine",)
_THERE: tuple[Anchor, ...] = ("there",)
_FILES: tuple[Anchor, ...] = ("files",)
# What these follow from; the node sees whether that changes.
_ANCHORS: Mapping[tuple[str, str], tuple[Anchor, ...]] = {
    ("conntrack", "loaded"): _THERE,
    ("sizing", "base"): (*_MACHINE, *_THERE),
    ("ipvs", "loaded"): _THERE,
    ("ipvs", "in_use"): (*_THERE, *_FILES),
    ("kube", "distribution"): _FILES,
    ("node", "os"): _FILES,
    ("kube", "proxy_mode"): _FILES,
    ("boot", "unknown"): EVERYTHING,
    ("boot", "reason"): EVERYTHING,
    ("units", "unguarded"): EVERYTHING,
    **{("node", name): _MACHINE for name in ("kernel", "kernel_version", "arch", "cores", "ram_bytes")},
}
# Words that are quoted beside the name of a module: values of other fields.
_OTHER_WORDS = ("none", "k3s", "rke2", "kubeadm", "ipvs", "iptables", "nftables")
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_COMPUTED_FIELD = re.compile(r"\w\s*\[\s*[^'\"\s\]\d-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What expressions rest on.

    Attributes:
        anchors: what has to be as it was.
        keys: sysctl keys in dots, of which they use the value.
        unseen: names of which a node cannot tell whether they have changed.
    """

    anchors: tuple[Anchor, ...]
    keys: tuple[str, ...]
    unseen: tuple[str, ...]


def basis(expressions: Iterable[Expression]) -> Basis:
    """Take together what expressions rest on."""
    anchors: dict[Anchor, None] = {}
    keys: dict[str, None] = {}
    unseen: dict[str, None] = {}
    for expression in expressions:
        if _COMPUTED_FIELD.search(expression.source):
            unseen[f"'{expression}'"] = None
        named = {name for name, _ in expression.fields}
        for name, field in sorted((*expression.fields, *((name, "") for name in expression.names - named))):
            if name in _OF_THE_PLAN or (name, field) in _CONSTANTS:
                continue
            if name == "sysctl" and field:
                keys[key_in_dots(field)] = None
            elif (name, field) == ("ports", "unreserved_node_ports"):
                keys[_RESERVED] = None
            elif name == "modules" and _names_modules(expression):
                anchors |= dict.fromkeys(_THERE)
            elif (name, field) in _ANCHORS:
                anchors |= dict.fromkeys(_ANCHORS[name, field])
            else:
                unseen[f"{name}.{field}" if field else name] = None
    return Basis(anchors=tuple(anchors), keys=tuple(keys), unseen=tuple(unseen))


def _names_modules(expression: Expression) -> bool:
    quoted = {single or double for single, double in _QUOTED.findall(expression.source)}
    return bool(quoted & set(MODULES)) and quoted <= {*MODULES, *_OTHER_WORDS}
