"""The start of a pytest session that named an inventory."""

from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleet.model.errors import UsageError
from fleet.policy import check_hosts, load_playbook, parse_selection, select
from fleet.runner.connection import ConnectionSettings, credentials_of_environment
from fleet.runner.fleet import Fleet
from fleet.runner.inventory import FleetInventory, host_views
from fleet.transport import SshTransport
from fleet.verify.backend import session
from fleet.verify.hooks import FleetHooks
from fleet.verify.nodes import Nodes
from fleet.verify.suite import Suite


def begin(config: pytest.Config) -> None:
    """Load the inventory and choose hosts; each is connected to when it is first needed.

    Passwords come from the environment, as for ``fleet``.

    Raises:
        pytest.UsageError: the inventory or the limit does not load, or no host is left.
    """
    stack = ExitStack()
    config.add_cleanup(stack.close)
    try:
        _begin(config, stack)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from error


def _begin(config: pytest.Config, stack: ExitStack) -> None:
    inventory = FleetInventory(config.getoption("fleet_inventory")).load()
    everyone, groups = host_views(inventory), tuple(inventory.groups)
    limit = config.getoption("fleet_limit")
    chosen = select(parse_selection("all" if limit is None else limit), everyone, groups)
    if not chosen:
        raise UsageError(f"no host selected by {limit!r}" if limit else "the inventory has no hosts")
    settings = ConnectionSettings(credentials=credentials_of_environment())
    fleet = stack.enter_context(Fleet(inventory, SshTransport(), settings=settings, keep_open=True))
    nodes = Nodes(fleet, names=(one.host.name for one in chosen), inventory=everyone, groups=groups)
    stack.enter_context(session(nodes))
    today = datetime.now(UTC).date()

    def suite_of(path: Path) -> Suite:
        policy = load_playbook(path)
        check_hosts(policy, everyone, groups)
        return Suite(policy, nodes, independent=config.getoption("fleet_independent"), today=today)

    config.pluginmanager.register(FleetHooks(suite_of, nodes.hosts.keys()), "fleet-verification")
