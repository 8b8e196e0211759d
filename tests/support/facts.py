"""Nodes with plausible facts, of which a test changes what it is about."""

from collections.abc import Mapping
from typing import Any

from fleet.model.facts import (
    Conntrack,
    Identity,
    Ipvs,
    NodeFacts,
    NodeFile,
    OsRelease,
    Reason,
    Sysctl,
    Unavailable,
)

NEEDS_ROOT = Unavailable(Reason.NEEDS_ROOT)
NOT_LOADED = Unavailable(Reason.NOT_LOADED, "ip_vs")
ABSENT = Unavailable(Reason.ABSENT)

IDENTITY = Identity(
    hostname="node-1",
    machine_id="0123456789abcdef0123456789abcdef",
    boot_id="01234567-89ab-cdef-0123-456789abcdef",
    uptime_seconds=86_400.0,
    os=OsRelease(id="debian", version_id="12", pretty_name="Debian GNU/Linux 12 (bookworm)", id_like=()),
    kernel="6.1.0-18-amd64",
    arch="x86_64",
    cores=4,
    ram_bytes=16 * 2**30,
    uid=0,
    init="systemd",
)

CONNTRACK = Conntrack(
    count=1_000, max=262_144, buckets=262_144, hashsize=262_144, object_bytes=256, stats={"invalid": 0, "drop": 0}
)


def kept_at_boot(sysctls: Mapping[str, Any]) -> dict[str, NodeFile]:
    """Files by which the next boot leaves the same values as now."""
    lines = [f"{key} = {value}\n" for key, value in sysctls.items() if not isinstance(value, Unavailable)]
    contents = {
        "/etc/modules-load.d/node.conf": "nf_conntrack\nbr_netfilter\nip_vs\n",
        "/etc/sysctl.d/60-node.conf": "".join(lines),
    }
    return {path: NodeFile(path=path, kind="file", content=text.encode()) for path, text in contents.items()}


def node_facts(*, sysctls: Mapping[str, str | int | Unavailable] | None = None, **overrides: object) -> NodeFacts:
    """Facts of a Debian node with four cores, 16 GiB and nf_conntrack, without Kubernetes; root read them.

    Its files keep its values over the next boot.

    Args:
        sysctls: values by key in dots.
        overrides: other fields of NodeFacts.
    """
    fields: dict[str, Any] = {
        "identity": IDENTITY,
        "sysctls": {
            key: Sysctl(key=key, value=value if isinstance(value, Unavailable) else str(value), writable=True)
            for key, value in (sysctls or {}).items()
        },
        "conntrack": CONNTRACK,
        "ipvs": Ipvs(timeouts=NOT_LOADED, services=NOT_LOADED, connections=NOT_LOADED),
        "sockets": {},
        "counters": {},
        "modules": frozenset({"nf_conntrack"}),
        "builtin_modules": frozenset({"tcp_cubic"}),
        "files": kept_at_boot(sysctls or {}),
        "listeners": (),
        "processes": (),
        "invalid_rules": (),
        "tuned_profile": Unavailable(Reason.NOT_INSTALLED, "tuned"),
        "ufw_enabled": False,
        "programs": {name: f"/sbin/{name}" for name in ("sysctl", "modprobe", "ipvsadm")},
    }
    return NodeFacts(**(fields | overrides))
