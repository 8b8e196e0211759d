"""Which parts of a node a control rests on, beside its own setting."""

from collections.abc import Mapping
from typing import Final, Literal

from fleet.policy.control import Control

Part = Literal["node", "sysctl", "conntrack", "ipvs", "modules", "ports", "processes", "files", "firewall"]
"""What is read of a node in one go."""

WORDS: Final[Mapping[Part, str]] = {
    "node": "the machine",
    "sysctl": "other keys",
    "conntrack": "the table of connection tracking",
    "ipvs": "IPVS",
    "modules": "the modules of the kernel",
    "ports": "the listening sockets",
    "processes": "the processes",
    "files": "the configuration files",
    "firewall": "the rules of the firewall",
}

# What the next boot leaves is worked out from these.
_BOOT: Final = frozenset[Part]({"node", "conntrack", "modules", "processes", "files"})
_OF_NAMES: Final[Mapping[str, frozenset[Part]]] = {
    "node": frozenset({"node"}),
    "sysctl": frozenset({"sysctl"}),
    "conntrack": frozenset({"conntrack"}),
    "sizing": frozenset({"node", "conntrack"}),
    "ipvs": frozenset({"ipvs", "processes", "files"}),
    "kube": frozenset({"processes", "files"}),
    "boot": _BOOT,
    "protection": _BOOT | {"firewall"},
    "ports": frozenset({"ports"}),
    "units": frozenset({"files"}),
    "modules": frozenset({"modules"}),
}


def rests_on(control: Control) -> frozenset[Part]:
    """The parts of a node that decide about a control, by the names in its expressions and by what is asked for."""
    boot = control.setting.kind == "drop_in" or (control.setting.key is not None and control.state != "live")
    parts = set(_BOOT if boot else ())
    for expression in control.expressions:
        for name, field in expression.fields:
            parts |= _OF_NAMES.get(name, frozenset())
            if (name, field) == ("kube", "invalid_rule"):
                parts.add("firewall")
    return frozenset(parts)


def other_keys(control: Control) -> frozenset[str]:
    """The keys that its expressions name."""
    return frozenset(field for each in control.expressions for name, field in each.fields if name == "sysctl")
