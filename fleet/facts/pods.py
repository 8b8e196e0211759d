"""The script that reads keys inside the network namespaces of pods, and the parser of its answer."""

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from fleet.facts.answer import Answer, MalformedError, integer, open_answer
from fleet.facts.rehearsal import refusal
from fleet.facts.request import ProbeRequest, key_in_dots, probe_arguments
from fleet.model.errors import ProtocolError
from fleet.model.facts import Reason, Unavailable
from fleet.model.pods import PodSample, PodSurvey
from fleet.model.text import printable

MOST_PODS = 20
"""Namespaces that are read on one node unless more are asked for."""

_LAYOUTS = frozenset({(b"refused", b"end"), (b"own", b"namespaces", b"samples", b"end")})
# A uid with dashes, or with underscores under systemd; a static pod has a hash of the same length without either.
_POD = re.compile(rb"pod([0-9a-f]{8}(?:[-_]?[0-9a-f]{4}){3}[-_]?[0-9a-f]{12})")
_CONTAINER = re.compile(rb"[-/]([0-9a-f]{64})(?:\.scope)?$", re.MULTILINE)


@cache
def pods_script() -> bytes:
    """The POSIX shell script that a node gets on the standard input of ``sh -s``."""
    folder = files("fleet.facts")
    return b"".join(folder.joinpath(part).read_bytes() for part in ("namespaces.sh", "pods.sh"))


def pods_arguments(nonce: str, keys: Iterable[str], most: int = MOST_PODS) -> tuple[str, ...]:
    """The arguments after ``sh -s --``, none of which needs quotes in any login shell.

    Args:
        nonce: as for `probe_arguments`.
        keys: in dots or slashes.
        most: namespaces to read.

    Raises:
        ValueError: the nonce or a key has another form, or ``most`` is not positive.
    """
    if most < 1:
        raise ValueError("at least one namespace has to be read")
    _, *paths = probe_arguments(nonce, ProbeRequest(keys=tuple(keys)))
    return (nonce, str(most), *paths)


def parse_pods(answer: bytes, *, nonce: str, keys: Iterable[str], host: str) -> PodSurvey | Unavailable:
    """Read what the node printed; ``Unavailable`` where it cannot look into other namespaces, with why.

    A namespace that ended in the meantime is left out.

    Args:
        answer: the standard output of the script.
        nonce: that of the call.
        keys: those of the call.
        host: the inventory name.

    Raises:
        ProtocolError: the script did not print this, or not all of it.
    """
    opened = open_answer(answer, nonce=nonce, host=host, script=b"fleet-pods", layouts=_LAYOUTS)
    try:
        if b"refused" in opened.sections:
            return refusal(opened.sections[b"refused"].strip())
        return _survey(opened, tuple(dict.fromkeys(map(key_in_dots, keys))))
    except MalformedError as error:
        raise ProtocolError(host, f"the pods of {host} have a part that the script does not print: {error}") from error


def pod_of(cgroup: bytes) -> str:
    """The uid of the pod, or the hash of a static one, that a process's cgroup belongs to; else empty."""
    return _first(_POD, cgroup).replace("_", "-")


def _survey(answer: Answer, keys: tuple[str, ...]) -> PodSurvey | Unavailable:
    own = answer.contents(b"own")
    if len(own) != 1 + len(keys):
        raise MalformedError(f"{len(own)} values for a name and {len(keys)} keys: the node needs working env and cat")
    seen, *lines = answer.lines(b"namespaces") or [b""]
    if not seen.startswith(b"seen "):
        raise MalformedError("an unfinished list of namespaces", seen or b"(nothing)")
    if integer(seen.removeprefix(b"seen ")) == 0:
        return Unavailable(Reason.IMPOSSIBLE, "the namespaces of processes are not to be seen")
    names = dict(map(_process, filter(None, lines)))
    before, *parts = answer.sections[b"samples"].split(answer.nonce + b"=pid ")
    if before.strip():
        raise MalformedError("text before the first sample", before)
    samples = tuple(sample for part in parts if (sample := _sample(answer, part, names, own[0], keys)))
    if parts and not samples:
        return Unavailable(Reason.IMPOSSIBLE, "none of the namespaces could be entered")
    return PodSurvey(host=_values(keys, own[1:]), namespaces=len(names), samples=samples)


def _process(line: bytes) -> tuple[int, str]:
    match line.split(b" ", 3):
        case [start, pid, inode, name]:
            integer(start)
            integer(inode)
            return integer(pid), printable(name)
        case _:
            raise MalformedError("an unfinished namespace", line)


def _sample(
    answer: Answer, part: bytes, names: dict[int, str], own_hostname: bytes, keys: tuple[str, ...]
) -> PodSample | None:
    head, separator, rest = part.partition(answer.nonce + b"=values\n")
    number, _, cgroup = head.partition(b"\n")
    pid = integer(number)
    if pid not in names or not separator:
        raise MalformedError("an unfinished sample", head)
    hostname, *values = rest.split(answer.nonce + b"=\0")[:-1] or [b""]
    if len(values) != len(keys) or not any(values):
        return None  # it ended before it could be read
    return PodSample(
        pid=pid,
        name=names[pid],
        hostname="" if hostname == own_hostname else printable(hostname.strip()),
        pod=pod_of(cgroup),
        container=_first(_CONTAINER, cgroup),
        values=_values(keys, values),
    )


def _values(keys: tuple[str, ...], contents: list[bytes]) -> dict[str, str]:
    # The kernel ends even an empty value with a line break: nothing at all is a key that is not there.
    read = ((key, content) for key, content in zip(keys, contents, strict=True) if content)
    return {key: printable(b" ".join(content.split()), 4096) for key, content in read}


def _first(pattern: re.Pattern[bytes], cgroup: bytes) -> str:
    found = pattern.search(cgroup)
    return found[1].decode() if found else ""
