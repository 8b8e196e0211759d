"""Processes that are known to write kernel settings."""

from collections.abc import Mapping

from fleet.facts.answer import integer, text
from fleet.facts.masking import mask_arguments
from fleet.model.facts import NodeProcess

_MOST_ARGUMENTS_BYTES = 2_097_152


def parse_processes(
    records: list[bytes], contents: Mapping[bytes, bytes]
) -> tuple[tuple[NodeProcess, ...], tuple[str, ...]]:
    """The processes, and notes; one that ended while the probe ran is left out."""
    processes = []
    notes: tuple[str, ...] = ()
    for record in records:
        pid, _, name = record.strip(b"\n").partition(b" ")
        if pid == b"more":
            notes = ("there are more than 200 processes that may write kernel settings: the others were not read",)
            continue
        arguments = contents.get(b"/proc/" + pid + b"/cmdline", b"")
        if arguments:
            masked = mask_arguments(arguments.removesuffix(b"\0").split(b"\0"))
            processes.append(
                NodeProcess(
                    pid=integer(pid),
                    name=text(name, 64),
                    arguments=tuple(text(argument, _MOST_ARGUMENTS_BYTES) for argument in masked),
                )
            )
    return tuple(processes), notes
