"""Which worker of pytest-xdist runs which test: all tests of one host run on one, so that each host is read once."""

from collections.abc import Collection

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from fleet.verify.naming import host_of


class HostScheduling(LoadScopeScheduling):
    """Gives workers whole hosts; a test that is for no host goes to any worker.

    Args:
        config: of the session.
        log: of pytest-xdist.
        names: of the hosts.
    """

    def __init__(self, config: pytest.Config, log: Producer | None, names: Collection[str]) -> None:
        super().__init__(config, log)
        self._names = names

    def _split_scope(self, nodeid: str) -> str:
        return host_of(nodeid, self._names) or nodeid
