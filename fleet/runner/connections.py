"""Read the connections of a node and its pods."""

from secrets import token_hex

from fleet.facts.connections import connections_arguments, connections_script, parse_connections
from fleet.model.connections import Connections
from fleet.model.facts import Unavailable
from fleet.transport import Command, Connection


def read_connections(host: str, connection: Connection) -> Connections | Unavailable:
    """Read the sockets of one node and its pods in one exec, as root; ``Unavailable`` where that is not possible.

    Raises:
        HostError: the node could not be read.
    """
    nonce = token_hex(16)
    arguments = ("sh", "-s", "--", *connections_arguments(nonce))
    completed = connection.run(Command(arguments=arguments, stdin=connections_script(), become=True))
    return parse_connections(completed.stdout, nonce=nonce, host=host)
