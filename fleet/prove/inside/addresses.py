"""The addresses of both pods, of the node between them and of the Service, in each IP version."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import NamedTuple

CLIENT, NODE, SERVER = "client", "node", "server"
_TCP_PORT, _BACKEND_PORT = 80, 9000


class Addresses(NamedTuple):
    """Of one IP version.

    Attributes:
        family: of sockets.
        nft: the name of the version in rules.
        service: that of the Service, where nobody listens.
        gateways: of the node, towards the client and towards the server.
        backends: of both server pods.
        places: by namespace the one that others reach it by.
        length: of a network's prefix.
    """

    family: socket.AddressFamily
    nft: str
    service: str
    gateways: Mapping[str, str]
    backends: tuple[str, str]
    places: Mapping[str, str]
    length: int

    @property
    def listeners(self) -> tuple[tuple[str, int], tuple[str, int]]:
        """Address and port of each backend."""
        return (self.backends[0], _BACKEND_PORT), (self.backends[1], _BACKEND_PORT)

    @property
    def dialled(self) -> tuple[str, int]:
        """Address and port of the Service."""
        return self.service, _TCP_PORT


IPV4 = Addresses(
    family=socket.AF_INET,
    nft="ip",
    service="10.96.0.10",
    gateways={CLIENT: "10.0.1.1", SERVER: "10.0.2.1"},
    backends=("10.0.2.2", "10.0.2.3"),
    places={CLIENT: "10.0.1.2", NODE: "10.0.2.1", SERVER: "10.0.2.2"},
    length=24,
)
IPV6 = Addresses(
    family=socket.AF_INET6,
    nft="ip6",
    service="fd00:96::10",
    gateways={CLIENT: "fd00:1::1", SERVER: "fd00:2::1"},
    backends=("fd00:2::2", "fd00:2::3"),
    places={CLIENT: "fd00:1::2", NODE: "fd00:2::1", SERVER: "fd00:2::2"},
    length=64,
)
NAMES = {
    address: name
    for each in (IPV4, IPV6)
    for address, name in (
        *((gateway, "node") for gateway in each.gateways.values()),
        (each.places[CLIENT], "client pod"),
        *zip(each.backends, ("server pod", "other server pod")),
        (each.service, "service"),
    )
}
"""What each address stands for, in a report."""
