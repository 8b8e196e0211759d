"""Every sysctl key that the tool knows."""

from collections.abc import Mapping
from types import MappingProxyType

from fleet.kernel.key import Key
from fleet.kernel.keys_conntrack import CONNTRACK_KEYS
from fleet.kernel.keys_ip import IP_KEYS
from fleet.kernel.keys_ipvs import IPVS_KEYS
from fleet.kernel.keys_node import NODE_KEYS
from fleet.kernel.keys_tcp import TCP_KEYS

KEYS: Mapping[str, Key] = MappingProxyType(
    {key.name: key for key in (*CONNTRACK_KEYS, *TCP_KEYS, *IP_KEYS, *NODE_KEYS)}
)
"""By name in dots, in the order in which the documentation shows them."""

_IPVS = MappingProxyType({key.name: key for key in IPVS_KEYS})


def known_key(name: str) -> Key | None:
    """What is known of a sysctl key or, by a name such as ``ipvs.tcp_timeout``, of a timeout of IPVS."""
    return KEYS.get(name) or _IPVS.get(name)
