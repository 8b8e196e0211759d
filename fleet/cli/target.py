"""Which hosts a command is about, and how they are reached."""

from dataclasses import dataclass

from nornir.core.inventory import Inventory

from fleet.model.errors import UsageError
from fleet.policy import Selected, parse_selection, select
from fleet.runner.inventory import FleetInventory, host_views, local_inventory
from fleet.transport import LocalTransport, SshTransport, Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The inventory, the hosts of it that were chosen, each with why, and the transport that reaches them."""

    inventory: Inventory
    selected: tuple[Selected, ...]
    transport: Transport

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(chosen.host.name for chosen in self.selected)


def target(*, inventory: str, local: bool, limit: str | None, hosts: str = "all") -> Target:
    """Choose hosts.

    Args:
        inventory: its directory; not looked at with ``local``.
        limit: what the operator said on the command line.
        hosts: what the playbook says; both must hold.

    Raises:
        UsageError: the inventory or an expression does not load, or no host is left.
    """
    if local:
        if limit is not None:
            raise UsageError("--limit chooses from an inventory, and --local has none: leave one of them out")
        loaded = local_inventory()
        return Target(
            inventory=loaded, selected=select(parse_selection("all"), host_views(loaded)), transport=LocalTransport()
        )
    loaded = FleetInventory(inventory).load()
    views = host_views(loaded)
    chosen = select(parse_selection(hosts), views)
    if limit is not None:
        within = {one.host.name for one in chosen}
        chosen = tuple(one for one in select(parse_selection(limit), views) if one.host.name in within)
    if not chosen:
        asked = " and ".join(f"'{text}'" for text in (hosts if hosts != "all" else None, limit) if text)
        raise UsageError(f"no host selected by {asked or 'the inventory: it is empty'}; see 'fleet inventory'")
    return Target(inventory=loaded, selected=chosen, transport=SshTransport())
