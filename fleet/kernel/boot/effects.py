"""Keys that change when another key is written."""

import re
from collections.abc import Mapping

from fleet.kernel.boot.acceptance import PORT_RANGE, UNPRIVILEGED

ALIASES: Mapping[str, str] = {
    "net.nf_conntrack_max": "net.netfilter.nf_conntrack_max",
    "net.ipv4.conf.all.forwarding": "net.ipv4.ip_forward",
}
"""Second names, by the name under which this tool keeps the value."""

# Each limits what the other may be.
_BOUND = {PORT_RANGE: UNPRIVILEGED, UNPRIVILEGED: PORT_RANGE}

# https://docs.kernel.org/admin-guide/sysctl/vm.html: writing one of a pair makes the other 0.
_EXCLUSIVE = {
    "vm.dirty_bytes": "vm.dirty_ratio",
    "vm.dirty_ratio": "vm.dirty_bytes",
    "vm.dirty_background_bytes": "vm.dirty_background_ratio",
    "vm.dirty_background_ratio": "vm.dirty_background_bytes",
    "vm.overcommit_kbytes": "vm.overcommit_ratio",
    "vm.overcommit_ratio": "vm.overcommit_kbytes",
}

# https://docs.kernel.org/networking/ip-sysctl.html: what is written for all goes to each interface.
_SPREADS_FROM_ALL = re.compile(r"net\.ipv6\.conf\.(?!all\.).+\.(forwarding|disable_ipv6|ignore_routes_with_linkdown)")
_INTERFACE = re.compile(r"(net\.ipv[46]\.(?:conf|neigh))\.(?!all\.|default\.)(.+)\.([^.]+)")
_FORWARDING = re.compile(r"net\.ipv4\.conf\.(.+\.forwarding|all\.accept_redirects)")


def storage(key: str) -> str:
    """The name under which the value of a key is kept."""
    return ALIASES.get(key, key)


def names(key: str) -> tuple[str, ...]:
    """The names by which the value of a stored key is written."""
    return (key, *(alias for alias, kept in ALIASES.items() if kept == key))


def bound_to(key: str) -> tuple[str, ...]:
    """Keys whose values decide whether the kernel takes a value of this one."""
    return (_BOUND[key],) if key in _BOUND else ()


def changed_by(key: str) -> tuple[str, ...]:
    """Stored keys that the kernel lets change this one when they are written."""
    if key in _EXCLUSIVE:
        return (_EXCLUSIVE[key],)
    writers: list[str] = []
    if spread := _SPREADS_FROM_ALL.fullmatch(key):
        writers.append(f"net.ipv6.conf.all.{spread[1]}")
    if _FORWARDING.fullmatch(key):
        writers.append("net.ipv4.ip_forward")
    if own := _INTERFACE.fullmatch(key):
        writers.append(f"{own[1]}.default.{own[3]}")
    return tuple(writers)


def inherits(key: str, writer: str) -> bool:
    """Whether the writer only gives a key its first value: then a line of its own counts, before or after."""
    own = _INTERFACE.fullmatch(key)
    return own is not None and writer == f"{own[1]}.default.{own[3]}"
