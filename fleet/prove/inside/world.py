"""A client pod, a node and a server pod: three network namespaces that end with this process.

The node forwards between the pods and translates the Service's address, as kube-proxy has it done.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack

from .addresses import CLIENT, IPV4, IPV6, NODE, SERVER

SERVICE = IPV4.dialled
BACKEND, OTHER_BACKEND = IPV4.listeners
PLACES = (CLIENT, NODE, SERVER)

# Known from the beginning, because a search for neighbours can fail on a machine that is busy.
_GATEWAY_CARD, _POD_CARD = "02:00:00:00:00:01", "02:00:00:00:00:02"
_NEW_NETWORK = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)
_RULES = """
table {ip} proof
delete table {ip} proof
table {ip} proof {{
  chain prerouting {{ type nat hook prerouting priority -100; {dnat} }}
  chain output {{ type nat hook output priority -100; {dnat} }}
  chain forward {{ type filter hook forward priority 0; {forward} }}
}}
"""


class ToolError(Exception):
    """A program that the proof needs is missing or refuses."""


class World:
    """The three namespaces; the calling thread is moved between them.

    Args:
        values: sysctls by place and key in dots.
        invalid_rule: whether the node drops what conntrack calls INVALID as it forwards.
        ipv6: connections are made over IPv6.

    Attributes:
        addresses: of the connections.
        refused: sysctls that were not taken, and why.

    Raises:
        ToolError: ``ip`` or ``nft`` is missing or refuses.
        OSError: this process may not make network namespaces.
    """

    def __init__(self, values: Mapping[str, Mapping[str, str]], *, invalid_rule: bool, ipv6: bool = False) -> None:
        self.addresses = IPV6 if ipv6 else IPV4
        self.refused: dict[str, str] = {}
        self._invalid_rule = invalid_rule
        self._owned = ExitStack()
        self._namespaces = {name: _new_namespace() for name in PLACES}
        self._cables()
        self.serve(self.addresses.listeners[0])
        for place, settings in values.items():
            self.enter(place)
            for key, value in settings.items():
                self._set(place, key, value)

    def open_socket(self, place: str, *kind: int) -> socket.socket:
        """A socket in that namespace, as `socket.socket` makes it, or one for TCP; it is closed with the world."""
        self.enter(place)
        return self._owned.enter_context(socket.socket(*(kind or (self.addresses.family,))))

    def own(self, connection: socket.socket) -> socket.socket:
        """Close this socket with the world, too."""
        return self._owned.enter_context(connection)

    def close(self) -> None:
        """Let the kernel remove the namespaces; the thread stays in the last one it entered until it enters another."""
        self._owned.close()
        for handle in self._namespaces.values():
            os.close(handle)

    def enter(self, place: str) -> None:
        """Move this thread: sockets that it makes, and what it reads below /proc, belong there."""
        if _LIBC.setns(self._namespaces[place], _NEW_NETWORK):
            raise OSError(ctypes.get_errno(), f"setns to {place}")

    def serve(self, backend: tuple[str, int]) -> None:
        """Let new connections to the Service go to this backend."""
        address, port = self.addresses.dialled
        ip = self.addresses.nft
        dnat = f"{ip} daddr {address} tcp dport {port} dnat to {_literal(backend[0])}:{backend[1]};"
        forward = "ct state invalid counter drop;" if self._invalid_rule else ""
        self.enter(NODE)
        _run("nft", "-f", "-", given=_RULES.format(ip=ip, dnat=dnat, forward=forward))

    def _cables(self) -> None:
        addresses, length = self.addresses, self.addresses.length
        if addresses is IPV6:
            for place in PLACES:
                self.enter(place)
                # Where the machine has turned it off, new namespaces may have it off, too.
                self._set(place, "net.ipv6.conf.all.disable_ipv6", "0")
        self.enter(NODE)
        pods = {CLIENT: (addresses.places[CLIENT],), SERVER: addresses.backends}
        for place, gateway in addresses.gateways.items():
            # The path is of the program itself, which inherits the handle.
            peer = f"/proc/self/fd/{self._namespaces[place]}"
            self._ip(
                "link set lo up",
                f"link add {place} address {_GATEWAY_CARD} type veth peer name eth0 address {_POD_CARD} netns {peer}",
                _address(f"{gateway}/{length} dev {place}"),
                f"link set {place} up",
                *(f"neighbor add {each} lladdr {_POD_CARD} dev {place}" for each in pods[place]),
            )
        self._set(NODE, "net.ipv4.ip_forward", "1")
        if addresses is IPV6:
            self._set(NODE, "net.ipv6.conf.all.forwarding", "1")
        for place, mine in pods.items():
            self.enter(place)
            self._ip(
                "link set lo up",
                *(_address(f"{each}/{length} dev eth0") for each in mine),
                "link set eth0 up",
                f"neighbor add {addresses.gateways[place]} lladdr {_GATEWAY_CARD} dev eth0",
                f"route add default via {addresses.gateways[place]}",
            )
        self.enter(NODE)
        # A process of the node itself dials the Service by way of the default route, as on a real node.
        self._ip(f"route add default via {addresses.places[SERVER]}")

    def _ip(self, *lines: str) -> None:
        _run("ip", "-batch", "-", given="\n".join(lines) + "\n", handles=tuple(self._namespaces.values()))

    def _set(self, place: str, key: str, value: str) -> None:
        if not key.startswith("net."):
            raise ValueError(f"{key} is not of a network namespace, but of the whole machine")
        try:
            with open("/proc/sys/" + key.replace(".", "/"), "w", encoding="ascii") as file:
                file.write(value)
        except OSError as error:
            self.refused[f"{place} {key}"] = error.strerror or "refused"


def _address(words: str) -> str:
    """The line for ``ip``; nobody else is there to have the same address, so that is not looked for."""
    return f"address add {words}" + (" nodad" if ":" in words else "")


def _literal(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _new_namespace() -> int:
    if _LIBC.unshare(_NEW_NETWORK):
        number = ctypes.get_errno()
        raise OSError(number, f"a new network namespace: {os.strerror(number)}")
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY)


def _run(*command: str, given: str, handles: tuple[int, ...] = ()) -> None:
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, pass_fds=handles)
    except FileNotFoundError:
        raise ToolError(f"{command[0]} is not installed") from None
    if done.returncode:
        raise ToolError(f"{command[0]} refuses: {done.stderr.strip() or done.returncode}")
