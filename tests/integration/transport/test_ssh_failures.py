"""Each way in which a host cannot be reached, with its kind and with what to do."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import paramiko
import pytest
from support.sshd import Sshd, free_port, make_key, start_sshd

from fleet.model.connection import Endpoint, TimeLimits
from fleet.model.errors import (
    AuthError,
    HostKeyError,
    HostTimeoutError,
    ProtocolError,
    UnreachableError,
)
from fleet.transport import Command, SshTransport

SHORT = TimeLimits(connect=0.5, auth=0.7, command=2)


@contextmanager
def server(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server on loopback that does one thing to each connection and then keeps it until the end."""
    kept: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                kept.append(connection)
                # The client may have hung up in the middle of it.
                with suppress(OSError):
                    talk(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in kept:
                connection.close()


def endpoint(port: int, **changes: object) -> Endpoint:
    said: dict[str, object] = {
        "name": "db1",
        "address": "127.0.0.1",
        "port": port,
        "user": "root",
        "ssh_config": "none",
        "known_hosts": ("/nonexistent/known_hosts",),
        "accept_new": True,
        "limits": SHORT,
    }
    return Endpoint(**(said | changes))  # type: ignore[arg-type] # the fields of Endpoint by name


def test_closed_port_is_unreachable(transport: SshTransport) -> None:
    with pytest.raises(UnreachableError, match="refused the connection") as caught:
        transport.open(endpoint(free_port()))
    assert caught.value.host == "db1"
    assert "sshd runs" in caught.value.advice


def test_address_that_swallows_packets_is_unreachable_within_the_connect_limit(transport: SshTransport) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        # The queue of connections nobody accepts is full after these; the kernel then drops SYNs.
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)  # noqa: FBT003 the socket API
            sock.connect_ex(("127.0.0.1", port))
        before = time.monotonic()
        try:
            with pytest.raises(UnreachableError, match=r"did not answer within 0.5 s"):
                transport.open(endpoint(port))
        finally:
            for sock in waiting:
                sock.close()
        assert time.monotonic() - before < 10


def test_name_that_does_not_resolve_is_unreachable(transport: SshTransport) -> None:
    with pytest.raises(UnreachableError, match=r"db\.invalid does not resolve"):
        transport.open(endpoint(22, address="db.invalid"))


def test_dns_that_does_not_answer_is_unreachable_within_the_connect_limit(
    transport: SshTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = threading.Event()
    real = socket.getaddrinfo

    def slow(*arguments: object) -> object:
        answered.wait()
        return real(*arguments)  # type: ignore[call-overload] # as they came

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    before = time.monotonic()
    try:
        with pytest.raises(UnreachableError, match=r"db\.invalid does not resolve: no answer within 0\.5 s"):
            transport.open(endpoint(22, address="db.invalid"))
        assert time.monotonic() - before < 10
    finally:
        answered.set()


def test_server_that_never_speaks_is_a_timeout(transport: SshTransport) -> None:
    before = time.monotonic()
    with server(lambda _: None) as port, pytest.raises(HostTimeoutError, match=r"then said nothing for 0.7 s"):
        transport.open(endpoint(port))
    assert time.monotonic() - before < 10


def test_server_that_stops_after_its_banner_is_a_timeout(transport: SshTransport) -> None:
    with (
        server(lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")) as port,
        pytest.raises(HostTimeoutError, match=r"sent its SSH banner and then fell silent for 0.7 s"),
    ):
        transport.open(endpoint(port))


def test_server_that_hangs_up_at_once_is_unreachable(transport: SshTransport) -> None:
    with (
        server(lambda connection: connection.shutdown(socket.SHUT_RDWR)) as port,
        pytest.raises(UnreachableError, match="closed the connection before the SSH handshake") as caught,
    ):
        transport.open(endpoint(port))
    assert "MaxStartups" in caught.value.advice


def test_server_that_hangs_up_after_its_banner_is_unreachable(transport: SshTransport) -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
        connection.shutdown(socket.SHUT_RDWR)

    with server(talk) as port, pytest.raises(UnreachableError, match="lost during the key exchange"):
        transport.open(endpoint(port))


@pytest.mark.parametrize(
    "words",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n" * 60,
        b"\x1b[2J\x1b]0;owned\x07\r\n" * 110,
        b"\xff\xfe\xfd\r\n" * 110,
        b"SSH-1.5-old\r\n",
    ],
)
def test_another_protocol_is_a_protocol_error_and_printed_safely(transport: SshTransport, words: bytes) -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(words)
        connection.shutdown(socket.SHUT_WR)

    with server(talk) as port, pytest.raises((ProtocolError, UnreachableError)) as caught:
        transport.open(endpoint(port))
    assert str(caught.value).isprintable()


def test_garbage_in_place_of_a_key_exchange_is_a_protocol_error(transport: SshTransport) -> None:
    with (
        server(lambda connection: connection.sendall(b"SSH-2.0-x\r\n" + b"\0\0\0\x0c\x0a\x63" + b"A" * 2000)) as port,
        pytest.raises(ProtocolError) as caught,
    ):
        transport.open(endpoint(port))
    assert str(caught.value).isprintable()


def test_wrong_key_is_an_auth_error_that_names_it(node: Sshd, tmp_path: Path, transport: SshTransport) -> None:
    stranger = make_key(tmp_path / "stranger")
    with pytest.raises(AuthError, match=f"refused key {stranger}") as caught:
        transport.open(node.endpoint(identity_files=(str(stranger),)))
    assert "authorized_keys" in caught.value.advice


@pytest.mark.root
def test_sshd_that_hangs_during_the_login_is_a_timeout(tmp_path: Path, transport: SshTransport) -> None:
    options = {
        "AuthorizedKeysFile": "none",
        "AuthorizedKeysCommand": "/bin/sleep 20",
        "AuthorizedKeysCommandUser": "root",
    }
    with (
        start_sshd(tmp_path / "own", options=options) as node,
        pytest.raises(HostTimeoutError, match=r"did not finish the login within 0\.7 s"),
    ):
        transport.open(node.endpoint(limits=SHORT))


def test_node_that_freezes_after_the_login_is_a_timeout(tmp_path: Path, transport: SshTransport) -> None:
    with start_sshd(tmp_path / "own") as node:
        connection = transport.open(node.endpoint())
        for pid in node.sessions():
            os.kill(pid, signal.SIGSTOP)
        before = time.monotonic()
        with pytest.raises(HostTimeoutError, match=r"did not start the command within 0\.5 s"):
            connection.run(Command(arguments=("true",), timeout=0.5))
        assert time.monotonic() - before < 10


class _NeverStarts(paramiko.ServerInterface):
    """Lets everybody in, opens a session, and then does not answer the request for a command."""

    def __init__(self, end: threading.Event) -> None:
        self._end = end

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        del username, key
        return paramiko.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        del kind, chanid
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        del channel, command
        self._end.wait(20)
        return False


def test_server_that_never_starts_the_command_is_a_timeout(tmp_path: Path, transport: SshTransport) -> None:
    host_key = paramiko.PKey.from_path(make_key(tmp_path / "host"))
    client_key = make_key(tmp_path / "client")
    known = tmp_path / "known"
    end = threading.Event()
    servers: list[paramiko.Transport] = []

    def talk(connection: socket.socket) -> None:
        ssh = paramiko.Transport(connection)
        ssh.add_server_key(host_key)
        servers.append(ssh)
        ssh.start_server(event=threading.Event(), server=_NeverStarts(end))

    with server(talk) as port:
        try:
            connection = transport.open(
                endpoint(port, identity_files=(str(client_key),), known_hosts=(str(known),), use_agent=False)
            )
            before = time.monotonic()
            with pytest.raises(HostTimeoutError, match=r"did not start the command within 0\.5 s"):
                connection.run(Command(arguments=("true",), timeout=0.5))
            assert time.monotonic() - before < 10
        finally:
            end.set()
            for ssh in servers:
                ssh.close()
                ssh.join(5)


def test_unknown_host_key_is_refused_with_its_fingerprint(node: Sshd, transport: SshTransport) -> None:
    with pytest.raises(HostKeyError, match=r"is not known: ssh-ed25519 SHA256:\S{43}: ") as caught:
        transport.open(node.endpoint(known_hosts=("/nonexistent/known_hosts",)))
    assert f"ssh-keyscan -p {node.port} 127.0.0.1" in caught.value.advice
    assert "Accepted" not in node.log.read_text()


def test_changed_host_key_is_refused_with_both_fingerprints_and_the_line(
    node: Sshd, tmp_path: Path, transport: SshTransport
) -> None:
    other = make_key(tmp_path / "other")
    known = tmp_path / "known hosts"
    blob = Path(f"{other}.pub").read_text().split()[1]
    known.write_text(f"# comment\n[127.0.0.1]:{node.port} ssh-ed25519 {blob}\n")
    for accept_new in (False, True):
        with pytest.raises(HostKeyError) as caught:
            transport.open(node.endpoint(known_hosts=(str(known),), accept_new=accept_new))
        assert caught.value.message.count("SHA256:") == 2
        assert f"{known} line 2" in caught.value.message
        assert f"ssh-keygen -R '[127.0.0.1]:{node.port}' -f '{known}'" in caught.value.advice


def test_host_whose_known_key_type_is_gone_is_refused(tmp_path: Path, transport: SshTransport) -> None:
    other = make_key(tmp_path / "other", kind="ecdsa")
    with start_sshd(tmp_path / "own") as node:
        known = tmp_path / "known"
        known.write_text(f"[127.0.0.1]:{node.port} {Path(f'{other}.pub').read_text()}")
        with pytest.raises(HostKeyError, match="no longer has a key of the type known"):
            transport.open(node.endpoint(known_hosts=(str(known),)))


def test_only_known_key_types_are_asked_for(tmp_path: Path, transport: SshTransport) -> None:
    with start_sshd(tmp_path / "own", host_key_kinds=("ed25519", "rsa", "ecdsa")) as node:
        lines = node.known_hosts.read_text().splitlines(keepends=True)
        for number, line in enumerate(lines):
            known = tmp_path / f"known{number}"
            known.write_text(line)
            transport.open(node.endpoint(known_hosts=(str(known),))).close()


def test_revoked_host_key_is_refused(node: Sshd, tmp_path: Path, transport: SshTransport) -> None:
    known = tmp_path / "known"
    line = node.known_hosts.read_text()
    known.write_text(f"{line}@revoked * {line.split(maxsplit=1)[1]}")
    with pytest.raises(HostKeyError, match=f"is revoked by {known} line 2"):
        transport.open(node.endpoint(known_hosts=(str(known),), accept_new=True))


def test_no_algorithm_in_common_is_a_protocol_error(tmp_path: Path, transport: SshTransport) -> None:
    with (
        start_sshd(tmp_path / "own", options={"Ciphers": "chacha20-poly1305@openssh.com"}) as node,
        pytest.raises(ProtocolError, match="no algorithm in common"),
    ):
        transport.open(node.endpoint())


def test_paramiko_says_nothing_of_its_own(
    node: Sshd, transport: SshTransport, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    with server(lambda connection: connection.sendall(b"SSH-2.0-x\r\n" + b"A" * 2000)) as port:
        with pytest.raises(ProtocolError):
            transport.open(endpoint(port))
        with pytest.raises(HostKeyError):
            transport.open(node.endpoint(known_hosts=("/nonexistent",)))
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []
