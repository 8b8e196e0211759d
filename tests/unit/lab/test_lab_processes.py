import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from fleet.lab import processes


@contextmanager
def sleeper(environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "1000"], env={"PATH": os.environ["PATH"], **environment}) as process:
        try:
            # It is not to be looked at in the middle of execve.
            deadline = time.monotonic() + 10
            while Path(f"/proc/{process.pid}/comm").read_text() != "sleep\n" or not _environment(process.pid):
                assert time.monotonic() < deadline
            yield process
        finally:
            process.kill()


def _environment(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


@pytest.fixture
def token() -> str:
    return secrets.token_hex(16)


def test_processes_are_found_by_their_token_and_node(token: str) -> None:
    with sleeper(processes.environment(token, "web-001")) as process:
        assert processes.find(token) == (processes.LabProcess(pid=process.pid, node="web-001", is_init=False),)


def test_nothing_but_the_bearers_of_the_token_is_killed(token: str) -> None:
    name = processes.TOKEN_VARIABLE
    strangers = [
        {"OTHER": "1"},
        {name: secrets.token_hex(16)},
        {name: token + "0"},
        {name: token[:-1]},
        {"OTHER": f"{name}={token}"},
        {f"X{name}": token},
    ]
    with ExitStack() as stack:
        spared = [stack.enter_context(sleeper(environment)) for environment in strangers]
        ours = [stack.enter_context(sleeper(processes.environment(token, node))) for node in ("", "a", "b")]
        assert processes.kill_all(token) == len(ours)
        assert [process.wait(10) for process in ours] == [-9] * len(ours)
        assert [process.poll() for process in spared] == [None] * len(spared)


def test_one_node_is_killed_without_the_others(token: str) -> None:
    with sleeper(processes.environment(token, "a")) as a, sleeper(processes.environment(token, "b")) as b:
        assert processes.kill_all(token, node="a") == 1
        assert a.wait(10) == -9
        assert b.poll() is None


def test_killing_where_nothing_runs_is_no_error(token: str) -> None:
    assert processes.kill_all(token) == 0


def test_the_environment_of_the_operator_is_not_handed_on(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPERATORS_PASSWORD", "hunter2")
    assert "OPERATORS_PASSWORD" not in processes.environment(token, "a")
