"""What a node's own boot tool does with its files, tried out where nothing of it lasts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

RehearsalTool = Literal["systemd-sysctl", "sysctl"]
"""``sysctl`` stands for ``sysctl --system`` of procps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """One run of a boot tool in a network namespace of its own.

    Attributes:
        tool: its path on the node.
        version: as the tool prints it.
        status: its exit status; not 0 where the kernel refused a value.
        output: the first lines of what it printed to stderr, safe to show; besides refused values also keys that it
            was not let write, which says nothing about the boot.
        before: by key in dots, the values of the new namespace; only keys that the tool could write are there.
        after: the values that the tool left.
    """

    tool: str
    version: str
    status: int
    output: tuple[str, ...]
    before: Mapping[str, str]
    after: Mapping[str, str]
