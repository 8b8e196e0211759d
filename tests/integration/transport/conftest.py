"""A server for the tests that only read, and a home directory that is nobody's."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.sshd import Sshd, start_sshd

from fleet.transport import SshTransport

THREAD_END_SECONDS = 5


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with start_sshd(tmp_path_factory.mktemp("node")) as sshd:
        yield sshd


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "home"
    (directory / ".ssh").mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("HOME", str(directory))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return directory


@pytest.fixture
def transport() -> Iterator[SshTransport]:
    before = set(threading.enumerate())
    with SshTransport() as opened:
        yield opened
    # A thread that was told to end may take a moment to do so.
    for thread in set(threading.enumerate()) - before:
        thread.join(THREAD_END_SECONDS)
    assert [thread for thread in set(threading.enumerate()) - before if thread.is_alive()] == []
