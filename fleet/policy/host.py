"""What a policy may know about a host of the inventory."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HostView:
    """One host as the inventory describes it.

    Attributes:
        groups: every group the host is in, those that groups are in included.
        data: its data with that of its groups and the defaults merged in.
        address: what is connected to.
    """

    name: str
    groups: tuple[str, ...]
    data: Mapping[str, object]
    address: str
