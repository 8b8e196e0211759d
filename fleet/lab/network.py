"""The lab's cables: a switch in a network namespace of its own, and one cable from it to this machine.

The bridge is not in this machine's own namespace, so that its firewall, its bridge-nf-call-iptables and its network
managers have no say between nodes, and so that all cables are gone as soon as the lab's processes are.

Who has which hardware address is told to both sides, for the kernel's table of neighbours, which all namespaces share,
holds 1,024 that it found out by itself, and none of the permanent ones count.
https://docs.kernel.org/networking/ip-sysctl.html (neigh/default/gc_thresh3)
"""

import subprocess
import time
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from fleet.model.errors import LabError

_BRIDGE = "bridge"
_GONE_WITHIN = 10.0


def hardware_address(address: IPv4Address) -> str:
    """The MAC address of whoever has that address in a lab: locally administered, unique on its switch."""
    return "02:f1:" + ":".join(f"{octet:02x}" for octet in address.packed)


def connect_machine(uplink: str, subnet: IPv4Network, switch: int) -> None:
    """Lays the cable between this machine, which gets the subnet's first address, and the switch.

    Args:
        uplink: name for this machine's end.
        subnet: becomes reachable through it.
        switch: the process id of the switch.

    Raises:
        LabError: ``ip`` refuses.
    """
    here = subnet[1]
    _ip(
        [
            f"link add {uplink} address {hardware_address(here)} type veth peer name uplink netns {switch}",
            f"address add {here}/{subnet.prefixlen} dev {uplink}",
            f"link set {uplink} up",
        ]
    )
    _ip([f"link set uplink master {_BRIDGE} up"], switch)


def connect_nodes(uplink: str, subnet: IPv4Network, switch: int, nodes: Mapping[IPv4Address, int]) -> None:
    """Lays a cable to each node, whose end there is eth0.

    Args:
        uplink: this machine's end of the cable to the switch.
        subnet: the lab's.
        switch: the process id of the switch.
        nodes: by address, the process id of the node.

    Raises:
        LabError: ``ip`` refuses.
    """
    cables, neighbours = [], []
    for address, pid in nodes.items():
        port, mac = _port(subnet, address), hardware_address(address)
        cables.append(f"link add {port} type veth peer name eth0 address {mac} netns {pid}")
        cables.append(f"link set {port} master {_BRIDGE} up")
        neighbours.append(f"neighbour replace {address} lladdr {mac} dev {uplink} nud permanent")
    _ip(cables, switch)
    _ip(neighbours)


def disconnect_node(subnet: IPv4Network, switch: int, address: IPv4Address) -> None:
    """Takes the node's cable out of the switch, if it is still in it."""
    inside = ["nsenter", f"--net=/proc/{switch}/ns/net", "ip", "link", "delete", _port(subnet, address)]
    # A node that ended takes its cable with it sooner or later: then there is nothing to delete.
    subprocess.run(inside, capture_output=True, check=False)  # noqa: S603 - numbers of ours


def disconnect_machine(uplink: str) -> None:
    """Removes this machine's end of the cable, with the address and route on it, and waits until it is gone.

    Raises:
        LabError: it is still there after some seconds.
    """
    interface = Path("/sys/class/net", uplink)
    deadline = time.monotonic() + _GONE_WITHIN
    while interface.exists():
        # The kernel may be removing it at this moment, for the switch at its other end has ended.
        result = subprocess.run(["ip", "link", "delete", uplink], capture_output=True, check=False, text=True)  # noqa: S603, S607 - a name of ours
        if result.returncode != 0 and time.monotonic() > deadline:
            raise LabError(f"the network interface {uplink} cannot be removed: {result.stderr.strip()}")


def _port(subnet: IPv4Network, address: IPv4Address) -> str:
    return f"port{int(address) - int(subnet.network_address)}"


def _ip(lines: Sequence[str], namespace_of: int | None = None) -> None:
    enter = [] if namespace_of is None else ["nsenter", f"--net=/proc/{namespace_of}/ns/net"]
    script = "".join(f"{line}\n" for line in lines)
    result = subprocess.run([*enter, "ip", "-batch", "-"], input=script, capture_output=True, check=False, text=True)  # noqa: S603 - names and numbers of ours
    if result.returncode != 0:
        raise LabError(f"the lab's network cannot be built: {result.stderr.strip()}")
