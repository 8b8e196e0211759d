"""How the clients of well-known servers keep idle connections alive: most of those that a node forgets are theirs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from fleet.model.connections import SocketAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class Middleware:
    """A server that clients keep connections to.

    Attributes:
        setting: what to set so that an idle connection is used sooner than anything on the way forgets it.
        source: the page that says so.
    """

    name: str
    setting: str
    source: str


BY_PORT: Final[Mapping[int, Middleware]] = {
    3306: Middleware(
        name="MySQL",
        setting="the pool's test of idle connections, or its longest life of one; tcpKeepAlive of Connector/J takes the"
        " pod's tcp_keepalive_time",
        source="https://dev.mysql.com/doc/connector-j/en/connector-j-connp-props-networking.html",
    ),
    5432: Middleware(
        name="PostgreSQL",
        setting="keepalives_idle in libpq's connection string; tcpKeepAlive=true of pgJDBC takes the pod's"
        " tcp_keepalive_time",
        source="https://www.postgresql.org/docs/current/libpq-connect.html",
    ),
    5672: Middleware(
        name="RabbitMQ",
        setting="a heartbeat that the client asks for; 0 on both sides switches it off",
        source="https://www.rabbitmq.com/docs/heartbeats",
    ),
    6379: Middleware(
        name="Redis",
        setting="tcp-keepalive of the server, or the keepalive option of the client",
        source="https://redis.io/docs/latest/develop/reference/clients/",
    ),
    9092: Middleware(
        name="Kafka",
        setting="connections.max.idle.ms of the client, below the timeout",
        source="https://kafka.apache.org/documentation/",
    ),
    27017: Middleware(
        name="MongoDB",
        setting="net.ipv4.tcp_keepalive_time of the client's pod and of the server, 120",
        source="https://www.mongodb.com/docs/manual/faq/diagnostics/",
    ),
}


def advice(ends: Iterable[SocketAddress]) -> tuple[str, ...]:
    """One line for each kind of server among the addresses that connections go to, told by its usual port."""
    ports = sorted({end.port for end in ends} & BY_PORT.keys())
    return tuple(
        f"port {port} is usually {BY_PORT[port].name}: set {BY_PORT[port].setting} ({BY_PORT[port].source})"
        for port in ports
    )
