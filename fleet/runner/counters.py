"""Read what the kernel of a node has counted."""

from secrets import token_hex

from fleet.facts.counters import counters_arguments, counters_script, parse_counters_answer
from fleet.model.counters import Counters
from fleet.transport import Command, Connection

_TIMEOUT = 10.0


def read_counters(host: str, connection: Connection) -> Counters:
    """Read the counters of one node in one exec, without becoming root.

    Raises:
        HostError: the node could not be read.
    """
    nonce = token_hex(16)
    arguments = ("sh", "-s", "--", *counters_arguments(nonce))
    completed = connection.run(Command(arguments=arguments, stdin=counters_script(), timeout=_TIMEOUT))
    return parse_counters_answer(completed.stdout, nonce=nonce, host=host)
