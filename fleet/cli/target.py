"""Which hosts a command is about, and how they are reached."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fleet.cli.progress import host_progress
from fleet.model.errors import UsageError
from fleet.policy import Policy, Selected, check_hosts, parse_selection, select
from fleet.runner.choice import dask_transport
from fleet.runner.connection import ConnectionSettings
from fleet.runner.fleet import Fleet
from fleet.runner.inventory import FleetInventory, Inventory, host_views, local_inventory
from fleet.runner.shards import Shards
from fleet.transport import LocalTransport, SshTransport, Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The inventory, the hosts of it that were chosen, each with why, and the transport that reaches them."""

    inventory: Inventory
    selected: tuple[Selected, ...]
    transport: Transport

    @property
    def names(self) -> tuple[str, ...]:
        """The chosen hosts, in the inventory's order."""
        return tuple(chosen.host.name for chosen in self.selected)


def target(
    *, inventory: str, local: bool, limit: str | None, policy: Policy | None = None, scheduler: str | None = None
) -> Target:
    """Choose hosts.

    Args:
        inventory: its directory; not looked at with ``local``, nor is what the playbook says of hosts.
        limit: what the operator said on the command line.
        policy: a playbook, whose own selection must hold too.
        scheduler: of the Dask cluster whose workers reach the hosts.

    Raises:
        UsageError: the inventory or an expression does not load, names what is not there, or leaves no host.
    """
    if local:
        return _local(limit)
    loaded = FleetInventory(inventory).load()
    hosts, groups = host_views(loaded), tuple(loaded.groups)
    chosen = select(parse_selection("all" if limit is None else limit), hosts, groups)
    if policy is not None:
        check_hosts(policy, hosts, groups)
        meant = {one.host.name: one for one in select(policy.hosts, hosts, groups)}
        chosen = tuple(one if limit is not None else meant[one.host.name] for one in chosen if one.host.name in meant)
    if not chosen:
        asked = [text for text in (policy and policy.hosts.text, limit) if text]
        raise UsageError(
            f"no host selected by {' and '.join(map(repr, asked))}; 'fleet inventory' lists them"
            if asked
            else f"the inventory {inventory} has no hosts"
        )
    return Target(inventory=loaded, selected=chosen, transport=new_transport(local=False, scheduler=scheduler))


@contextmanager
def visiting(
    action: str,
    chosen: Target,
    *,
    settings: ConnectionSettings,
    workers: int,
    shards: Shards | None = None,
    keep_open: bool = False,
    times: int = 1,
) -> Iterator[Fleet]:
    """Open the hosts of a target for a run, and show how far it is.

    Args:
        action: what is done, as the progress says it.
        chosen: the hosts; their transport is closed at the end.
        settings: of all connections.
        workers: hosts in flight at most.
        shards: processes that visit the hosts; None visits them in threads of this one.
        keep_open: a connection stays open for the next job.
        times: that each host is visited.
    """
    with (
        host_progress(action, times * len(chosen.names)) as progress,
        Fleet(
            chosen.inventory,
            chosen.transport,
            settings=settings,
            workers=workers,
            progress=progress,
            shards=shards,
            keep_open=keep_open,
        ) as fleet,
    ):
        yield fleet


def new_transport(*, local: bool, scheduler: str | None = None) -> Transport:
    """What reaches the hosts; a run closes its own at its end."""
    if scheduler is not None:
        return dask_transport(scheduler)
    return LocalTransport() if local else SshTransport()


def _local(limit: str | None) -> Target:
    if limit is not None:
        raise UsageError("--limit chooses from an inventory, and --local has none: leave one of them out")
    loaded = local_inventory()
    everyone = select(parse_selection("all"), host_views(loaded))
    return Target(inventory=loaded, selected=everyone, transport=new_transport(local=True))
