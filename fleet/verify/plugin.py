"""The plugin that pytest finds by itself: ``pytest --fleet-inventory DIR [--fleet-limit EXPR] [PLAYBOOK] tests/``.

It is loaded by every pytest that has fleet installed, so it imports the rest of fleet only where it is asked for.
"""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what names the hosts."""
    group = parser.getgroup("fleet", "hosts of a fleet, over its own connections")
    group.addoption("--fleet-inventory", metavar="DIR", help="Run tests that have a testinfra host on its hosts.")
    group.addoption("--fleet-limit", metavar="EXPR", help="Only on these, such as 'k3s and not maintenance'.")
    group.addoption(
        "--fleet-independent",
        action="store_true",
        help="In the tests of playbooks, let testinfra read for itself, over the connection.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Prepare the hosts where an inventory is named."""
    if config.getoption("fleet_inventory") is not None:
        from fleet.verify.begin import begin  # noqa: PLC0415 see above

        begin(config)
