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

CLIENT, NODE, SERVER = "client", "node", "server"
SERVICE = ("10.96.0.10", 80)
BACKEND, OTHER_BACKEND = ("10.0.2.2", 9000), ("10.0.2.3", 9000)
NAMES = {
    "10.0.1.2": "client pod",
    "10.0.1.1": "node",
    "10.0.2.1": "node",
    "10.0.2.2": "server pod",
    "10.0.2.3": "other server pod",
    "10.96.0.10": "service",
}
ADDRESSES = {CLIENT: "10.0.1.2", NODE: "10.0.2.1", SERVER: "10.0.2.2"}

_NEW_NETWORK = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)
_RULES = """
table ip proof {{
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

    Raises:
        ToolError: ``ip`` or ``nft`` is missing or refuses.
        OSError: this process may not make network namespaces.
    """

    def __init__(self, values: Mapping[str, Mapping[str, str]], *, invalid_rule: bool) -> None:
        self.refused: dict[str, str] = {}
        self._invalid_rule = invalid_rule
        self._owned = ExitStack()
        self._namespaces = {name: _new_namespace() for name in (CLIENT, NODE, SERVER)}
        self._cables()
        self.serve(BACKEND)
        for place, settings in values.items():
            self.enter(place)
            for key, value in settings.items():
                self._set(place, key, value)

    def open_socket(self, place: str, *kind: int) -> socket.socket:
        """A socket in that namespace, as `socket.socket` makes it, that is closed with the world."""
        self.enter(place)
        return self._owned.enter_context(socket.socket(*kind))

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
        dnat = f"ip daddr {SERVICE[0]} tcp dport {SERVICE[1]} dnat to {backend[0]}:{backend[1]};"
        forward = "ct state invalid drop;" if self._invalid_rule else ""
        self.enter(NODE)
        tables = "table ip proof\ndelete table ip proof\n" + _RULES.format(dnat=dnat, forward=forward)
        _run("nft", "-f", "-", given=tables)

    def _cables(self) -> None:
        self.enter(NODE)
        for place, mine in ((CLIENT, "10.0.1.1/24"), (SERVER, "10.0.2.1/24")):
            # The path is of the program itself, which inherits the handle.
            peer = f"/proc/self/fd/{self._namespaces[place]}"
            self._ip(
                "link set lo up",
                f"link add {place} type veth peer name eth0 netns {peer}",
                f"address add {mine} dev {place}",
                f"link set {place} up",
            )
        self._set(NODE, "net.ipv4.ip_forward", "1")
        self.enter(CLIENT)
        self._ip(
            "link set lo up", "address add 10.0.1.2/24 dev eth0", "link set eth0 up", "route add default via 10.0.1.1"
        )
        self.enter(SERVER)
        self._ip(
            "link set lo up",
            "address add 10.0.2.2/24 dev eth0",
            "address add 10.0.2.3/24 dev eth0",
            "link set eth0 up",
            "route add default via 10.0.2.1",
        )
        self.enter(NODE)
        # A process of the node itself dials the Service by way of the default route, as on a real node.
        self._ip("route add default via 10.0.2.2")

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
