"""The selected hosts as JSON, ``fleet.inventory/1``."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, Field

from fleet.report.json_text import clean, json_text


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedHost:
    """A host of the inventory that a selection picked.

    Attributes:
        address: name or address to connect to.
        why: what selected it, such as ``group k3s``.
    """

    name: str
    address: str
    groups: tuple[str, ...]
    why: str


class InventoryHostJson(BaseModel):
    """One selected host."""

    address: str = Field(description="Name or address that is connected to.")
    groups: list[str] = Field(description="All groups, inherited ones included.")
    why: str = Field(description="What selected the host, such as `group k3s`.")


class InventoryJson(BaseModel):
    """The hosts that an inventory and a selection give."""

    schema_: Literal["fleet.inventory/1"] = Field(alias="schema")
    hosts: dict[str, InventoryHostJson] = Field(description="By inventory name, in the inventory's order.")


def inventory_json(hosts: Iterable[SelectedHost]) -> str:
    """The JSON text of ``fleet inventory -f json``."""
    document = InventoryJson(
        schema="fleet.inventory/1",
        hosts={
            clean(host.name): InventoryHostJson(
                address=clean(host.address), groups=[*map(clean, host.groups)], why=clean(host.why)
            )
            for host in hosts
        },
    )
    return json_text(document)
