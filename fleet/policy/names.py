"""The names that an expression may use; `fleet.policy.context` gives them their values."""

from collections.abc import Mapping

FIELDS: Mapping[str, frozenset[str] | None] = {
    "node": frozenset({"hostname", "kernel", "kernel_version", "arch", "cores", "ram_bytes", "uid", "os"}),
    "sysctl": None,
    "conntrack": frozenset(
        {"loaded", "count", "max", "buckets", "hashsize", "object_bytes", "usage_percent", "chain_length"}
    ),
    "sizing": frozenset({"base", "demand", "max", "buckets", "hashsize", "memory_bytes", "chain_length"}),
    "ipvs": frozenset({"loaded", "in_use", "tcp_timeout", "tcp_fin_timeout", "udp_timeout", "services"}),
    "kube": frozenset({"distribution", "proxy_mode", "invalid_rule"}),
    "boot": frozenset({"unknown", "reason"}),
    "protection": frozenset({"now", "after_proxy_restart", "after_reboot"}),
    "ports": frozenset({"listeners", "ephemeral_listeners", "ephemeral_count", "node_ports", "unreserved_node_ports"}),
    "units": frozenset({"unguarded"}),
    "modules": None,
    "vars": None,
    "host": None,
}
"""By name; None where the fields depend on the node, the profiles or the inventory."""

SIZING_VARIABLES = ("conntrack_headroom", "conntrack_ram_share")
"""What ``sizing`` is computed from, besides the node."""
