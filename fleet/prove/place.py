"""Where a proof runs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fleet.prove.answer import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A kernel, and how cells are measured there.

    Attributes:
        measure: has the cells of some requests measured, as `fleet.prove.scenario.cell_request` makes them, and gives
            the answer to each in their order. Raises a `ProofError` or, on a node, a `HostError`.
        as_root: rather than in a user namespace.
        host: whose kernel it is, of the inventory; empty for this machine's.
    """

    measure: Callable[[Sequence[Mapping[str, Any]]], list[Answer]]
    as_root: bool
    host: str = ""
