"""From a node's facts and a playbook to the node that the namespaces play."""

from collections.abc import Sequence
from dataclasses import replace

from fleet.kernel.catalogue import KEYS
from fleet.kernel.invalid import drops_invalid
from fleet.model.facts import NodeFacts, Unavailable
from fleet.policy.wanted import Wanted
from fleet.prove.scenario import Node

# The node of the proof has to forward, and it has other interfaces.
_OWN = ("net.ipv4.ip_forward", "net.ipv4.conf.", "net.ipv6.")


def node_like(facts: NodeFacts) -> Node:
    """A node with the values that a network namespace can have, and with the INVALID rule where the node has one."""
    rules = () if isinstance(facts.invalid_rules, Unavailable) else facts.invalid_rules
    return Node(
        values={
            key: sysctl.value
            for key, sysctl in facts.sysctls.items()
            if isinstance(sysctl.value, str) and _is_of_a_namespace(key)
        },
        invalid_rule=any(drops_invalid(rule) for rule in rules),
    )


def harden(node: Node, wanted: Sequence[Wanted]) -> Node:
    """The same node, and what a playbook wants of it: a value that it accepts already stays."""
    values = {
        each.control.setting.target: each
        for each in wanted
        if each.control.setting.kind == "sysctl"
        and each.value is not None
        and _is_of_a_namespace(each.control.setting.target)
    }
    return replace(
        node,
        hardened={
            key: each.value
            for key, each in values.items()
            if each.value is not None and not each.accepts(node.values.get(key))
        },
        hardened_pods={
            key: each.value for key, each in values.items() if each.value is not None and KEYS[key].scope == "namespace"
        },
    )


def _is_of_a_namespace(key: str) -> bool:
    known = KEYS.get(key)
    # Without bounds it is a counter, which takes no value.
    return known is not None and known.bounds is not None and known.scope != "host" and not key.startswith(_OWN)
