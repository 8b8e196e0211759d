"""Hosts behind other hosts, and behind a ProxyCommand."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import paramiko
import pytest
from paramiko.common import cMSG_CHANNEL_DATA
from support.sshd import Sshd, free_port, make_key, start_sshd

from fleet.model.connection import Endpoint
from fleet.model.errors import AuthError, HostKeyError, UnreachableError, UsageError
from fleet.transport import Command, SshTransport
from fleet.transport.ssh_connection import SshConnection

CHAIN = Command(arguments=("sh", "-c", 'echo "$SSH_CONNECTION"'))


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[list[Sshd]]:
    """Three servers that take the same key: two jump hosts and the host behind them."""
    key = make_key(tmp_path / "key")
    with ExitStack() as stack:
        yield [stack.enter_context(start_sshd(tmp_path / name, client_key=key)) for name in ("a", "b", "c")]


@pytest.fixture
def known(nodes: list[Sshd], tmp_path: Path) -> Path:
    path = tmp_path / "known"
    path.write_text("".join(node.known_hosts.read_text() for node in nodes))
    return path


def hop(node: Sshd) -> str:
    return f"{node.endpoint().user}@127.0.0.1:{node.port}"


def behind(node: Sshd, known: Path, *hops: str) -> Endpoint:
    return node.endpoint(known_hosts=(str(known),), proxy_jump=hops)


def test_host_behind_one_jump_host(nodes: list[Sshd], known: Path, transport: SshTransport) -> None:
    jump, _, host = nodes
    connection = transport.open(behind(host, known, hop(jump)))
    assert connection.run(CHAIN).stdout.endswith(f"127.0.0.1 {host.port}\n".encode())
    assert (jump.count("^Accepted publickey"), host.count("^Accepted publickey")) == (1, 1)


def test_host_behind_two_jump_hosts(nodes: list[Sshd], known: Path, transport: SshTransport) -> None:
    first, second, host = nodes
    connection = transport.open(behind(host, known, hop(first), hop(second)))
    data = b"x" * 3_000_000
    assert connection.run(Command(arguments=("cat",), stdin=data)).stdout == data
    assert [node.count("^Accepted publickey") for node in nodes] == [1, 1, 1]


def test_jump_hosts_are_shared_and_closed_at_the_end(nodes: list[Sshd], known: Path) -> None:
    first, second, host = nodes
    with SshTransport() as transport, ThreadPoolExecutor(8) as pool:
        connections = list(pool.map(transport.open, [behind(host, known, hop(first), hop(second)) for _ in range(8)]))
        assert [connection.run(CHAIN).exit_status for connection in connections] == [0] * 8
    assert [node.count("^Accepted publickey") for node in (first, second, host)] == [1, 1, 8]


def tunnel_of(connection: SshConnection) -> paramiko.Channel:
    tunnel = connection._wire._carrier  # noqa: SLF001 to play what other threads do at the worst moment
    assert isinstance(tunnel, paramiko.Channel)
    return tunnel


def test_tunnel_that_is_closed_while_data_is_on_its_way_leaves_the_others_alone(
    nodes: list[Sshd], known: Path, transport: SshTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    jump, _, host = nodes
    closed, other = (transport.open(behind(host, known, hop(jump))) for _ in range(2))
    tunnel = tunnel_of(closed)
    sending = tunnel.transport._send_user_message  # type: ignore[attr-defined] # noqa: SLF001 as above

    def close_first(message: paramiko.Message) -> None:
        head = message.asbytes()[:5]
        if head == cMSG_CHANNEL_DATA + tunnel.remote_chanid.to_bytes(4, "big"):
            tunnel.close()
        sending(message)

    monkeypatch.setattr(tunnel.transport, "_send_user_message", close_first)
    with pytest.raises(UnreachableError):
        closed.run(CHAIN)
    assert other.run(CHAIN).exit_status == 0
    assert jump.count("nonexistent channel") == 0


def test_end_of_the_jump_host_while_a_tunnel_is_closed_is_no_error(
    nodes: list[Sshd], known: Path, transport: SshTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    jump, _, host = nodes
    connection = transport.open(behind(host, known, hop(jump)))

    def gone(_message: paramiko.Message) -> None:
        raise EOFError

    with monkeypatch.context() as patched:
        patched.setattr(tunnel_of(connection).transport, "_send_user_message", gone)
        connection.close()


def test_nested_jump_hosts_of_ssh_config(nodes: list[Sshd], known: Path, home: Path, transport: SshTransport) -> None:
    first, second, host = nodes
    (home / ".ssh" / "config").write_text(
        f"Host far\n  HostName 127.0.0.1\n  Port {host.port}\n  ProxyJump near\n"
        f"Host near\n  HostName 127.0.0.1\n  Port {second.port}\n  ProxyJump nearest\n"
        f"Host nearest\n  HostName 127.0.0.1\n  Port {first.port}\n"
        f"Host *\n  User {host.endpoint().user}\n  UserKnownHostsFile {known}\n"
    )
    endpoint = host.endpoint(address="far", port=None, user=None, known_hosts=None, ssh_config=None)
    assert transport.open(endpoint).run(CHAIN).exit_status == 0
    assert [node.count("^Accepted publickey") for node in nodes] == [1, 1, 1]


def test_circle_of_jump_hosts_is_refused(home: Path, transport: SshTransport) -> None:
    (home / ".ssh" / "config").write_text("Host *\n  ProxyJump bastion\n")
    with pytest.raises(UsageError, match=r"node1: the jump hosts lead in a circle: .*bastion:22.*bastion:22"):
        transport.open(Endpoint(name="node1", address="node1", user="root"))


def test_dead_jump_host_is_named_with_the_host_behind_it(
    nodes: list[Sshd], known: Path, transport: SshTransport
) -> None:
    dead = f"root@127.0.0.1:{free_port()}"
    with pytest.raises(UnreachableError, match=rf"jump host {dead} on the way to node1: .* refused the connection"):
        transport.open(behind(nodes[2], known, dead))


def test_host_dead_behind_a_living_jump_host(nodes: list[Sshd], known: Path, transport: SshTransport) -> None:
    jump = hop(nodes[0])
    endpoint = nodes[2].endpoint(port=free_port(), known_hosts=(str(known),), proxy_jump=(jump,))
    with pytest.raises(
        UnreachableError, match=rf"jump host {jump} cannot connect to {endpoint.user}@127.0.0.1:{endpoint.port}"
    ):
        transport.open(endpoint)


def test_unknown_key_of_a_jump_host_is_refused(nodes: list[Sshd], transport: SshTransport) -> None:
    jump, _, host = nodes
    with pytest.raises(HostKeyError, match=r"jump host .* on the way to node1: the host key of .* is not known"):
        transport.open(behind(host, host.known_hosts, hop(jump)))


def test_unknown_key_behind_a_jump_host_is_refused(nodes: list[Sshd], transport: SshTransport) -> None:
    jump, _, host = nodes
    with pytest.raises(HostKeyError, match=rf"^the host key of \[127.0.0.1\]:{host.port} is not known"):
        transport.open(behind(host, jump.known_hosts, hop(jump)))


def test_jump_host_that_refuses_the_key_is_an_auth_error(
    tmp_path: Path, nodes: list[Sshd], known: Path, transport: SshTransport
) -> None:
    with start_sshd(tmp_path / "strict") as strict:
        known.write_text(known.read_text() + strict.known_hosts.read_text())
        with pytest.raises(AuthError, match=r"jump host .* refused key"):
            transport.open(behind(nodes[2], known, hop(strict)))


def test_jump_host_that_allows_no_tunnel_is_named(
    tmp_path: Path, nodes: list[Sshd], known: Path, transport: SshTransport
) -> None:
    strict_options = {"AllowTcpForwarding": "no"}
    with start_sshd(tmp_path / "strict", client_key=nodes[0].client_key, options=strict_options) as strict:
        known.write_text(known.read_text() + strict.known_hosts.read_text())
        with pytest.raises(UnreachableError, match="does not allow a tunnel") as caught:
            transport.open(behind(nodes[2], known, hop(strict)))
        assert "AllowTcpForwarding" in caught.value.advice


def proxy_config(home: Path, node: Sshd, command: str) -> Endpoint:
    (home / ".ssh" / "config").write_text(f"Host *\n  ProxyCommand {command}\n")
    return node.endpoint(ssh_config=None)


def test_proxy_command_carries_the_connection_and_ends_with_it(
    nodes: list[Sshd], known: Path, home: Path, transport: SshTransport
) -> None:
    jump, _, host = nodes
    command = f"ssh -F none -i {jump.client_key} -o UserKnownHostsFile={known} -p {jump.port} 127.0.0.1 -W %h:%p"
    connection = transport.open(proxy_config(home, host, command))
    data = b"x" * 2_000_000
    assert connection.run(Command(arguments=("cat",), stdin=data)).stdout == data
    connection.close()
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = process.read_bytes()
        except OSError:
            continue
        assert f"-W\0127.0.0.1:{host.port}".encode() not in arguments


def test_proxy_command_that_fails_tells_what_it_said(node: Sshd, home: Path, transport: SshTransport) -> None:
    endpoint = proxy_config(home, node, "sh -c 'echo no such bastion >&2; exit 4'")
    with pytest.raises(UnreachableError, match="ProxyCommand ended with status 4: no such bastion"):
        transport.open(endpoint)


def test_host_name_with_shell_characters_never_reaches_a_proxy_command(
    node: Sshd, home: Path, tmp_path: Path, transport: SshTransport
) -> None:
    proof = tmp_path / "proof"
    endpoint = proxy_config(home, node, "nc %h %p")
    with pytest.raises(UsageError, match="characters that a shell would act on"):
        transport.open(
            Endpoint(name="evil", address=f"x;touch {proof}", ssh_config=endpoint.ssh_config, user="root", port=22)
        )
    assert not proof.exists()
