"""Captures segments on a node for a bounded time, over the connection that there is; nothing is written there."""

import math
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from ipaddress import ip_address
from secrets import token_hex
from typing import Final

from fleet.facts.answer import MalformedError, open_answer
from fleet.facts.rehearsal import refusal
from fleet.facts.request import ProbeRequest, probe_arguments
from fleet.model.errors import ProtocolError
from fleet.model.facts import Unavailable
from fleet.model.text import printable
from fleet.prove.programs import program_texts
from fleet.transport import Command, Connection

MOST_SEGMENTS: Final = 45_000
"""With the 148 bytes that each takes at most, the answer stays below 7 MB."""
EVERYTHING: Final = ("tcp",)

_LAYOUTS = frozenset({(b"refused", b"end"), (b"packets", b"end")})
_LOST = re.compile(rb"^(\d{1,12}) packets? dropped by kernel", re.MULTILINE)
_MAGICS = (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4")
_LAST_PORT = 65535
_LONGEST_MESSAGE = 200
_GRACE = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """What was captured on a node.

    Attributes:
        pcap: a whole file.
        lost: segments that the node's kernel had to drop, because they came too fast.
    """

    pcap: bytes
    lost: int


def capture_filter(text: str) -> tuple[str, ...]:
    """The words of ``tcp``, ``host ADDRESS`` and ``port NUMBER``, joined by ``and``: a part of tcpdump's language.

    Raises:
        ValueError: it is something else; the message says what is understood.
    """
    words = list(EVERYTHING)
    for term in re.split(r"\s+and\s+", text.strip()):
        match term.split():
            case ["tcp"]:
                pass
            case ["host", address] if _is_address(address):
                words += ["and", "host", address]
            case ["port", port] if port.isascii() and port.isdigit() and 0 < int(port[:6]) <= _LAST_PORT:
                words += ["and", "port", port]
            case _:
                raise ValueError(f"'{term}' is none of: tcp, host ADDRESS, port NUMBER (joined by 'and')")
    return tuple(words)


def capture_segments(
    host: str, connection: Connection, *, seconds: float, words: tuple[str, ...]
) -> Captured | Unavailable:
    """Listen on one node for some time, as root; ``Unavailable`` where that is not possible.

    Args:
        host: the inventory name.
        connection: to it.
        seconds: rounded up to whole ones.
        words: of `capture_filter`.

    Raises:
        HostError: it was not captured to the end.
    """
    nonce, whole = token_hex(16), math.ceil(seconds)
    completed = connection.run(
        Command(
            arguments=("sh", "-s", "--", *capture_arguments(nonce, seconds=whole, words=words)),
            stdin=capture_script(),
            become=True,
            timeout=whole + _GRACE,
        )
    )
    return parse_capture(completed.stdout, completed.stderr, nonce=nonce, host=host)


@cache
def capture_script() -> bytes:
    """The POSIX shell script that a node gets on the standard input of ``sh -s``."""
    program = program_texts()["listening.py"].encode()
    quoted = b"program() {\n  cat <<'END OF PROGRAM'\n" + program + b"END OF PROGRAM\n}\n"
    before = files("fleet.facts").joinpath("namespaces.sh").read_bytes()
    return before + quoted + files("fleet.diagnose.capture").joinpath("node.sh").read_bytes()


def capture_arguments(nonce: str, *, seconds: int, words: tuple[str, ...]) -> tuple[str, ...]:
    """The arguments after ``sh -s --``.

    Args:
        nonce: that of the call.
        seconds: for which it listens.
        words: of `capture_filter`.

    Raises:
        ValueError: the nonce has another form than for `probe_arguments`.
    """
    return (*probe_arguments(nonce, ProbeRequest(keys=())), str(seconds), str(MOST_SEGMENTS), *words)


def parse_capture(answer: bytes, said: bytes, *, nonce: str, host: str) -> Captured | Unavailable:
    """Read what the node printed; ``Unavailable`` where it cannot capture, with why.

    Args:
        answer: the standard output of the script.
        said: its standard error.
        nonce: that of the call.
        host: the inventory name.

    Raises:
        ProtocolError: the script did not print this, or not all of it, or the capture did not start.
    """
    opened = open_answer(answer, nonce=nonce, host=host, script=b"fleet-capture", layouts=_LAYOUTS)
    if b"refused" in opened.sections:
        try:
            return refusal(opened.sections[b"refused"].strip())
        except MalformedError as error:
            raise ProtocolError(host, f"{host} does not say why it cannot capture: {error}") from error
    pcap = opened.sections[b"packets"]
    if not pcap.startswith(_MAGICS):
        lines = [line for line in said.splitlines() if line.strip()]
        last = printable(lines[-1], _LONGEST_MESSAGE) if lines else "nothing"
        raise ProtocolError(host, f"the capture did not start on {host}; it said: {last}")
    found = _LOST.search(said)
    return Captured(pcap=pcap, lost=int(found[1]) if found else 0)


def _is_address(word: str) -> bool:
    try:
        return "%" not in word and bool(ip_address(word))
    except ValueError:
        return False
