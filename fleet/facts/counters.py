"""The script that reads the counters of a node, and the parser of its answer."""

import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import TypeVar

from fleet.facts.answer import Answer, MalformedError, integer, open_answer
from fleet.facts.network import parse_counters, parse_socket_sums, parse_statistics
from fleet.facts.request import ProbeRequest, probe_arguments
from fleet.model.counters import Counters
from fleet.model.errors import ProtocolError
from fleet.model.facts import Reason, Unavailable
from fleet.model.text import printable

T = TypeVar("T")

_LAYOUTS = frozenset({(b"files", b"contents", b"end")})
_UPTIME = re.compile(rb"\s*(\d{1,12}\.\d{1,9})\s")
_STATISTICS = b"/proc/net/stat/nf_conntrack"
_ENTRIES = b"/proc/sys/net/netfilter/nf_conntrack_count"
_MOST = b"/proc/sys/net/netfilter/nf_conntrack_max"


@cache
def counters_script() -> bytes:
    """The POSIX shell script that a node gets on the standard input of ``sh -s``."""
    return files("fleet.facts").joinpath("counters.sh").read_bytes()


def counters_arguments(nonce: str) -> tuple[str, ...]:
    """The arguments after ``sh -s --``.

    Raises:
        ValueError: the nonce has another form than for `probe_arguments`.
    """
    return probe_arguments(nonce, ProbeRequest(keys=()))


def parse_counters_answer(answer: bytes, *, nonce: str, host: str) -> Counters:
    """Read what the node printed.

    Args:
        answer: the standard output of the script.
        nonce: that of the call.
        host: the inventory name.

    Raises:
        ProtocolError: the script did not print this, or not all of it.
    """
    opened = open_answer(answer, nonce=nonce, host=host, script=b"fleet-counters", layouts=_LAYOUTS)
    try:
        return _counters(opened)
    except MalformedError as error:
        raise ProtocolError(host, f"the counters of {host} have a part that the script does not print: {error}") from (
            error
        )


def _counters(answer: Answer) -> Counters:
    listed = [tuple(line.split(b" ", 1)) for line in answer.lines(b"files") if line]
    read = [path for word, *rest in listed if word == b"read" for path in rest]
    refused = frozenset(path for word, *rest in listed if word == b"refused" for path in rest)
    texts = answer.contents(b"contents")
    if len(texts) != len(read):
        raise MalformedError(f"{len(texts)} contents of {len(read)} files: the node needs working env and cat")
    contents = dict(zip(read, texts, strict=True))
    uptime = _UPTIME.match(contents.get(b"/proc/uptime", b""))
    if uptime is None:
        raise MalformedError("no time since the boot", contents.get(b"/proc/uptime", b""))
    return Counters(
        boot_id=printable(contents.get(b"/proc/sys/kernel/random/boot_id", b"").strip()),
        uptime=float(uptime[1]),
        counters=parse_counters(contents),
        sockets=parse_socket_sums(contents),
        conntrack=_conntrack(_STATISTICS, contents, refused, parse_statistics),
        entries=_conntrack(_ENTRIES, contents, refused, _number),
        most=_conntrack(_MOST, contents, refused, _number),
    )


def _conntrack(
    path: bytes, contents: Mapping[bytes, bytes], refused: frozenset[bytes], parse: Callable[[bytes], T]
) -> T | Unavailable:
    if raw := contents.get(path):
        return parse(raw)
    if path in contents or path in refused:
        return Unavailable(Reason.UNREADABLE, path.decode())
    return Unavailable(Reason.NOT_LOADED, "nf_conntrack")


def _number(raw: bytes) -> int:
    return integer(raw.strip())
