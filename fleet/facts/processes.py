"""Processes that are known to write kernel settings."""

import re
from collections.abc import Mapping

from fleet.facts.answer import MalformedError, integer, text
from fleet.facts.masking import mask_arguments
from fleet.model.facts import NodeProcess

_MOST_ARGUMENTS_BYTES = 2_097_152
_IMAGE = re.compile(rb'"[\w./-]{1,64}": *"([\w./:@+-]{1,512})"')


def parse_processes(
    records: list[bytes], contents: Mapping[bytes, bytes]
) -> tuple[tuple[NodeProcess, ...], tuple[str, ...]]:
    """The processes, and notes; one that ended while the probe ran is left out."""
    processes = []
    notes: tuple[str, ...] = ()
    for record in records:
        first, *lines = record.strip(b"\n").split(b"\n")
        pid, _, name = first.partition(b" ")
        if pid == b"more":
            notes = ("there are more than 200 processes that may write kernel settings: the others were not read",)
            continue
        arguments = contents.get(b"/proc/" + pid + b"/cmdline", b"")
        if arguments:
            told = dict(_told(line) for line in lines)
            masked = mask_arguments(arguments.removesuffix(b"\0").split(b"\0"))
            processes.append(
                NodeProcess(
                    pid=integer(pid),
                    name=text(name, 64),
                    arguments=tuple(text(argument, _MOST_ARGUMENTS_BYTES) for argument in masked),
                    config=text(told.get(b"config", b"")),
                    image=_image(told.get(b"image", b"")),
                )
            )
    return tuple(processes), notes


def _told(line: bytes) -> tuple[bytes, bytes]:
    word, _, value = line.partition(b" ")
    if word not in {b"config", b"image"}:
        raise MalformedError("an unknown word about a process", word)
    return word, value


def _image(annotation: bytes) -> str:
    """The value of a bundle's annotation, such as ``"io.kubernetes.cri.image-name":"registry/name:tag"``."""
    found = _IMAGE.fullmatch(annotation)
    return text(found[1]) if found else ""
