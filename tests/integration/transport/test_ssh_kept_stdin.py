"""A command whose stdin stays open lives as long as we want it, and not longer."""

import time
from pathlib import Path

import pytest
from support.sshd import Sshd

from fleet.model.errors import HostTimeoutError
from fleet.transport import Command, LocalConnection, SshTransport

# It says when its stdin ends.
WAITS = "read -r line; echo got $line; cat >/dev/null; echo end >"


def test_what_ends_by_itself_is_not_held_up(node: Sshd, transport: SshTransport) -> None:
    command = Command(arguments=("sh", "-c", 'read -r line; echo "$line"'), stdin=b"in\n", keep_stdin=True)
    assert transport.open(node.endpoint()).run(command).stdout == b"in\n"
    assert LocalConnection().run(command).stdout == b"in\n"


def test_stdin_ends_when_the_command_is_given_up(node: Sshd, transport: SshTransport, tmp_path: Path) -> None:
    told = tmp_path / "told"
    command = Command(arguments=("sh", "-c", WAITS + str(told)), stdin=b"in\n", keep_stdin=True, timeout=5)
    with pytest.raises(HostTimeoutError, match="7 bytes were read"):
        transport.open(node.endpoint()).run(command)
    deadline = time.monotonic() + 60
    while not told.exists():
        assert time.monotonic() < deadline, "the command was not told of the end"
        time.sleep(0.02)
