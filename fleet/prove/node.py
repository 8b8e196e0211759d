"""Has a node run the programs of ``fleet.prove.inside`` on its own kernel, over the connection that there is.

They go over stdin and are never a file there. They run in namespaces of their own, which end with them; they end with
their stdin, so with the connection, and by themselves where nobody tells the node that the connection is gone.
"""

import json
import math
from collections.abc import Mapping, Sequence
from secrets import token_hex
from typing import Any

from fleet.model.connection import Completed
from fleet.model.errors import HostError, ProtocolError
from fleet.model.text import printable
from fleet.prove.answer import Answer, read_answers
from fleet.prove.bench import NAMESPACES, SEARCH_PATH
from fleet.prove.place import Place
from fleet.prove.programs import program_texts
from fleet.transport import Command, Connection

LONGEST = 240.0
"""Seconds that all scenarios take at most, several times what they usually take."""

_GRACE = 10
_MOST_OUTPUT = 1 << 20
_LONGEST_MESSAGE = 400
# One line, since csh takes no line break inside quotes.
_START = "import json,sys;exec(json.loads(sys.stdin.readline()))"
_TOOLS = ("python3", "unshare", "timeout")
_ADVICE = {
    "python3": "install it there, or prove it in pods: fleet prove --kubernetes",
    "unshare": "install util-linux there",
    "timeout": "install coreutils there",
    "ip": "install iproute2 there",
    "nft": "install nftables there",
}


def on_node(host: str, connection: Connection, *, within: float = LONGEST) -> Place:
    """A node's kernel.

    Args:
        host: the inventory name.
        connection: to the node; what runs there becomes root as the endpoint says.
        within: seconds for all that is measured at once. The node ends it by itself soon after.
    """

    def measured(requests: Sequence[Mapping[str, Any]]) -> list[Answer]:
        return _measure(host, connection, requests, within=within)

    return Place(measure=measured, as_root=True, host=host)


def _measure(
    host: str, connection: Connection, requests: Sequence[Mapping[str, Any]], *, within: float
) -> list[Answer]:
    nonce = token_hex(16)
    done = connection.run(
        Command(
            arguments=command_words(nonce, within),
            stdin=programs_and_requests(requests),
            keep_stdin=True,
            become=True,
            max_output=_MOST_OUTPUT,
            timeout=within,
        )
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith(nonce.encode() + b" ")), None)
    if line is None:
        raise _not_run(host, done)
    try:
        answers = read_answers(line.partition(b" ")[2], requests)
    except ValueError:  # pydantic's are, too
        raise ProtocolError(
            host,
            f"the answer of the proof is not one: '{printable(line.partition(b' ')[2], _LONGEST_MESSAGE)}'",
            advice="see whether python3 of the node is the distribution's own",
        ) from None
    for answer in answers:
        if answer.error:
            tool = answer.error.partition(" ")[0]
            raise ProtocolError(
                host,
                f"the proof cannot run on this node: {answer.error}",
                advice=_ADVICE.get(tool, "prove its values on this machine: fleet prove --values-from"),
            )
    return answers


def command_words(nonce: str, within: float) -> tuple[str, ...]:
    """What the node runs as root.

    Args:
        nonce: a word that nobody can guess, before which nothing is an answer.
        within: seconds after which we are gone, and the node soon ends it.
    """
    return (
        *("env", "-i", f"PATH={SEARCH_PATH}", "LC_ALL=C"),
        *("timeout", "-s", "KILL", str(math.ceil(within) + _GRACE)),
        *("unshare", *NAMESPACES),
        *("python3", "-I", "-B", "-c", _START, nonce),
    )


def programs_and_requests(requests: Sequence[Mapping[str, Any]]) -> bytes:
    """What it reads, as `fleet.prove.inside.sent` takes it."""
    texts = program_texts()
    lines = (texts["sent.py"], texts, list(requests))
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def _not_run(host: str, done: Completed) -> HostError:
    """Why there is no answer at all."""
    said = done.stderr.decode(errors="replace").strip().splitlines()
    for tool in _TOOLS:
        if any(tool in line and ("No such file" in line or "not found" in line) for line in said):
            return ProtocolError(host, f"{tool} is not installed on this node", advice=_ADVICE[tool])
    last = printable(said[-1], _LONGEST_MESSAGE) if said else f"nothing, and ended with status {done.exit_status}"
    if "Operation not permitted" in last:
        return ProtocolError(
            host, f"the proof may not make namespaces on this node: {last}", advice="log in as root, or give --become"
        )
    return ProtocolError(
        host,
        f"the proof did not answer; it said {last}",
        advice="see what the login shell of this user prints or forces (ForceCommand, .bashrc)",
    )
