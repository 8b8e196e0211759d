"""Servers that have no room for us just now, and what keeps us from asking too much of them."""

import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread

import pytest
from support.sshd import Sshd, make_key, start_sshd

from fleet.model.connection import Endpoint, TimeLimits
from fleet.model.errors import AuthError, UnreachableError
from fleet.transport import Command, SshTransport
from fleet.transport.throttle import MOST_TRIES

TRUE = Command(arguments=("true",))
BUSY = {"MaxStartups": "2:100:3"}
"""More than two that have not logged in yet are dropped, all of them."""

DROPPED, CONNECTED, LOGGED_IN = "past MaxStartups", "^Connection from", "^Accepted publickey"


def answers(pairs: Sequence[tuple[SshTransport, Endpoint]]) -> list[int]:
    """Open a connection to each endpoint at the same time, run a command over it, and close it."""

    def visit(pair: tuple[SshTransport, Endpoint]) -> int:
        connection = pair[0].open(pair[1])
        try:
            return connection.run(TRUE).exit_status
        finally:
            connection.close()

    with ThreadPoolExecutor(len(pairs)) as pool:
        return list(pool.map(visit, pairs))


@contextmanager
def jump_and_host(tmp_path: Path, options: dict[str, str]) -> Iterator[tuple[Sshd, Sshd, Path]]:
    """A jump host with these options, a host behind it, and a known_hosts that has both."""
    key = make_key(tmp_path / "key")
    with ExitStack() as stack:
        jump = stack.enter_context(start_sshd(tmp_path / "jump", client_key=key, options=options))
        host = stack.enter_context(start_sshd(tmp_path / "host", client_key=key))
        known = tmp_path / "known"
        known.write_text(jump.known_hosts.read_text() + host.known_hosts.read_text())
        yield jump, host, known


def behind(jump: Sshd, host: Sshd, known: Path) -> Endpoint:
    hop = f"{jump.endpoint().user}@127.0.0.1:{jump.port}"
    return host.endpoint(known_hosts=(str(known),), proxy_jump=(hop,))


def ssh_to(jump: Sshd, known: Path, key: Path) -> str:
    """The ProxyCommand that people write."""
    options = f"-o UserKnownHostsFile={known} -o KexAlgorithms=curve25519-sha256 -o IdentitiesOnly=yes -o BatchMode=yes"
    return f"ssh -F none -i {key} {options} -p {jump.port} 127.0.0.1 -W %h:%p"


def by_command(home: Path, command: str, host: Sshd, known: Path) -> Endpoint:
    """The host as it is reached by a ProxyCommand in ~/.ssh/config."""
    (home / ".ssh" / "config").write_text(f"Host *\n  ProxyCommand {command}\n")
    return host.endpoint(known_hosts=(str(known),), ssh_config=None)


def test_logins_that_sshd_drops_are_tried_again_until_all_are_in(tmp_path: Path, transport: SshTransport) -> None:
    with start_sshd(tmp_path / "busy", options=BUSY) as node:
        assert answers([(transport, node.endpoint())] * 4) == [0] * 4
        assert node.count(DROPPED) > 0
        assert node.count(LOGGED_IN) == 4


def test_jump_host_that_many_processes_log_in_to_at_once_lets_all_of_them_in(tmp_path: Path) -> None:
    with jump_and_host(tmp_path, BUSY) as (jump, host, known), ExitStack() as stack:
        transports = [stack.enter_context(SshTransport()) for _ in range(4)]
        assert answers([(each, behind(jump, host, known)) for each in transports]) == [0] * 4
        assert jump.count(DROPPED) > 0
        assert jump.count(LOGGED_IN) == 4


def test_limits_of_a_jump_host_on_sessions_and_logins_do_not_limit_the_hosts_behind_it(
    tmp_path: Path, transport: SshTransport
) -> None:
    with jump_and_host(tmp_path, BUSY | {"MaxSessions": "1"}) as (jump, host, known):
        assert answers([(transport, behind(jump, host, known))] * 12) == [0] * 12
        assert (jump.count(DROPPED), jump.count(LOGGED_IN)) == (0, 1)


def test_proxy_commands_never_log_in_to_their_jump_host_more_at_a_time_than_sshd_lets_in_by_default(
    tmp_path: Path, home: Path, transport: SshTransport
) -> None:
    with jump_and_host(tmp_path, {"MaxStartups": "10:100:10"}) as (jump, host, known):
        endpoint = by_command(home, ssh_to(jump, known, jump.client_key), host, known)
        assert answers([(transport, endpoint)] * 20) == [0] * 20
        assert (jump.count(DROPPED), jump.count(LOGGED_IN)) == (0, 20)


def test_proxy_command_that_its_jump_host_drops_is_tried_again(
    tmp_path: Path, home: Path, transport: SshTransport
) -> None:
    with jump_and_host(tmp_path, {"MaxStartups": "2:100:2"}) as (jump, host, known):
        endpoint = by_command(home, ssh_to(jump, known, jump.client_key), host, known)
        assert answers([(transport, endpoint)] * 3) == [0] * 3
        assert jump.count(DROPPED) > 0


def test_login_that_is_refused_is_not_tried_again(tmp_path: Path, home: Path, transport: SshTransport) -> None:
    stranger = make_key(tmp_path / "stranger")
    with jump_and_host(tmp_path, {}) as (jump, host, known):
        with pytest.raises(AuthError):
            transport.open(host.endpoint(identity_files=(str(stranger),)))
        assert host.count(CONNECTED) == 1

        endpoint = by_command(home, ssh_to(jump, known, stranger), host, known)
        with pytest.raises(UnreachableError, match="Permission denied"):
            transport.open(endpoint)
        assert (jump.count(CONNECTED), host.count(CONNECTED)) == (1, 1)


@pytest.fixture
def closing() -> Iterator[tuple[int, list[float]]]:
    """A port that closes each connection at once, and when it did."""
    moments: list[float] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                moments.append(time.monotonic())
                connection.close()

        thread = Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1], moments
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_host_that_never_has_room_is_given_up_within_its_limit(
    closing: tuple[int, list[float]], transport: SshTransport
) -> None:
    port, moments = closing
    limits = TimeLimits(connect=1, auth=1)
    with pytest.raises(UnreachableError, match=rf"before the SSH handshake, [2-{MOST_TRIES}] times in") as caught:
        transport.open(
            Endpoint(name="n1", address="127.0.0.1", port=port, user="root", ssh_config="none", limits=limits)
        )
    assert f"{len(moments)} times" in caught.value.message
    assert moments[-1] - moments[0] < 5


def test_connections_are_begun_at_their_rate_whoever_begins_them(tmp_path: Path, transport: SshTransport) -> None:
    with start_sshd(tmp_path / "own") as node:
        before = time.monotonic()
        assert answers([(transport, node.endpoint(connect_rate=2.0))] * 3) == [0] * 3
        assert time.monotonic() - before >= 2 / 2
        assert node.count(CONNECTED) == 3
