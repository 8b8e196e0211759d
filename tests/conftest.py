"""What every tier of tests shares."""

import os
import signal

import pytest
from hypothesis import settings

# How long one example takes says nothing on a busy machine.
settings.register_profile("fleet", deadline=None)
settings.load_profile("fleet")

# What a shell starts in the background ignores Ctrl-C, and under nohup a hangup; commands under test would do so too.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs root, with the reason shown; in CI a skip would hide a gap, so there it runs and fails."""
    if os.geteuid() == 0 or os.environ.get("CI"):
        return
    for item in items:
        if item.get_closest_marker("root"):
            item.add_marker(pytest.mark.skip(reason="needs root, for network namespaces and real sshd nodes"))
