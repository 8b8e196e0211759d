"""Ports that outgoing connections may take away from those who need them."""

from collections.abc import Iterable
from functools import lru_cache

from fleet.kernel.portset import PortSet
from fleet.kernel.values import ports_of
from fleet.model.facts import Listener

DEFAULT_NODE_PORTS = "30000-32767"
"""The range of the API server's --service-node-port-range, unless it was set."""

# Most nodes of a fleet have the same values.
_MOST_KEPT = 256


@lru_cache(maxsize=_MOST_KEPT)
def ephemeral_ports(local_port_range: str, reserved_ports: str) -> PortSet:
    """Ports that the kernel hands to outgoing connections: the range without what is reserved.

    Args:
        local_port_range: live value of net.ipv4.ip_local_port_range.
        reserved_ports: live value of net.ipv4.ip_local_reserved_ports.

    Raises:
        ValueError: a value is not one that the kernel prints.
    """
    reserved = ports_of("net.ipv4.ip_local_reserved_ports", reserved_ports)
    return ports_of("net.ipv4.ip_local_port_range", local_port_range).difference(reserved)


@lru_cache(maxsize=_MOST_KEPT)
def unreserved_node_ports(node_ports: str, reserved_ports: str) -> PortSet:
    """NodePorts that only the position of ip_local_port_range can keep from outgoing connections.

    Args:
        node_ports: such as ``DEFAULT_NODE_PORTS``.
        reserved_ports: live value of net.ipv4.ip_local_reserved_ports.

    Raises:
        ValueError: a value is no list of ports.
    """
    return PortSet.parse(node_ports).difference(PortSet.parse(reserved_ports))


def ephemeral_listeners(listeners: Iterable[Listener], ephemeral: PortSet) -> tuple[int, ...]:
    """TCP ports that a daemon offers to others and that an outgoing connection can hold when the daemon starts again.

    Loopback listeners and UDP sockets are left out: both commonly sit on a port that the kernel picked for them.
    """
    offered = {
        listener.port for listener in listeners if listener.protocol == "tcp" and not _is_loopback(listener.address)
    }
    return tuple(sorted(port for port in offered if port in ephemeral))


def _is_loopback(address: str) -> bool:
    return address.startswith(("127.", "::ffff:127.")) or address == "::1"
