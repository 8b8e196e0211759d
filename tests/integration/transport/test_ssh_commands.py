"""What a command gets, gives back, and must not do."""

import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from support.sshd import Sshd, start_sshd

from fleet.model.errors import HostTimeoutError, ProtocolError, UnreachableError
from fleet.transport import Command, LocalConnection, SshTransport


def test_arguments_stdin_both_outputs_and_status_survive(node: Sshd, transport: SshTransport) -> None:
    script = b'printf "%s|" "$@"; cat; echo problem >&2; exit 7'
    command = Command(arguments=("sh", "-c", script.decode(), "sh", "a b", "it's", "$HOME", "", "*"), stdin=b"in\0put")
    done = transport.open(node.endpoint()).run(command)
    assert (done.exit_status, done.stdout, done.stderr) == (7, b"a b|it's|$HOME||*|in\0put", b"problem\n")


def test_script_goes_over_stdin_with_its_arguments(node: Sshd, transport: SshTransport) -> None:
    done = transport.open(node.endpoint()).run(Command(arguments=("sh", "-s", "--", "n 1"), stdin=b'echo "got $1"\n'))
    assert done.stdout == b"got n 1\n"


def test_many_commands_use_one_login(tmp_path: Path, transport: SshTransport) -> None:
    with start_sshd(tmp_path / "own") as node:
        connection = transport.open(node.endpoint())
        for number in range(5):
            assert connection.run(Command(arguments=("echo", str(number)))).stdout == f"{number}\n".encode()
        assert node.count("^Accepted publickey") == 1
        assert node.count("^Starting session") == 5


def test_large_input_and_output_pass_at_the_same_time(node: Sshd, transport: SshTransport) -> None:
    data = os.urandom(5 * 1024 * 1024)
    assert transport.open(node.endpoint()).run(Command(arguments=("cat",), stdin=data)).stdout == data


def test_input_that_the_command_does_not_read_is_no_error(node: Sshd, transport: SshTransport) -> None:
    done = transport.open(node.endpoint()).run(Command(arguments=("echo", "x"), stdin=b"y" * 4_000_000))
    assert (done.exit_status, done.stdout) == (0, b"x\n")


def test_much_stderr_does_not_stop_stdout(node: Sshd, transport: SshTransport) -> None:
    script = "head -c 3000000 /dev/zero >&2; echo out; head -c 3000000 /dev/zero >&2"
    done = transport.open(node.endpoint()).run(Command(arguments=("sh", "-c", script)))
    assert (done.stdout, len(done.stderr)) == (b"out\n", 6_000_000)


def test_bytes_that_are_no_text_come_back_unchanged(node: Sshd, transport: SshTransport) -> None:
    done = transport.open(node.endpoint()).run(Command(arguments=("printf", r"\377\200\033[2J")))
    assert done.stdout == b"\xff\x80\x1b[2J"


def test_ten_megabytes_of_noise_are_refused_while_read_and_the_connection_lives_on(
    node: Sshd, transport: SshTransport
) -> None:
    connection = transport.open(node.endpoint())
    with pytest.raises(ProtocolError, match="longer than 8388608 bytes"):
        connection.run(Command(arguments=("head", "-c", "10485760", "/dev/zero")))
    assert connection.run(Command(arguments=("echo", "still"))).stdout == b"still\n"


def test_endless_output_is_refused(node: Sshd, transport: SshTransport) -> None:
    with pytest.raises(ProtocolError, match=r"longer than 1000 bytes; it begins with 'spam\\nspam"):
        transport.open(node.endpoint()).run(Command(arguments=("yes", "spam"), max_output=1000))


def test_command_that_does_not_end_is_a_timeout_and_the_connection_lives_on(
    node: Sshd, transport: SshTransport
) -> None:
    connection = transport.open(node.endpoint())
    before = time.monotonic()
    with pytest.raises(HostTimeoutError, match=r"did not end within 0.5 s"):
        connection.run(Command(arguments=("sleep", "30"), timeout=0.5))
    assert time.monotonic() - before < 15
    assert connection.run(Command(arguments=("echo", "still"), timeout=10)).stdout == b"still\n"


def test_command_that_keeps_printing_does_not_outrun_its_limit(node: Sshd, transport: SshTransport) -> None:
    script = "while :; do echo x; done"
    with pytest.raises(HostTimeoutError):
        transport.open(node.endpoint()).run(
            Command(arguments=("sh", "-c", script), timeout=0.5, max_output=1024 * 1024 * 1024)
        )


def test_command_ended_by_a_signal_is_not_an_answer(node: Sshd, transport: SshTransport) -> None:
    with pytest.raises(ProtocolError, match="ended by a signal on the host, after 8 bytes"):
        transport.open(node.endpoint()).run(Command(arguments=("exec", "sh", "-c", "echo partial; kill -9 $$")))


def _kill_session_when(sshd: Sshd, seen: Path) -> threading.Thread:
    def kill() -> None:
        deadline = time.monotonic() + 60
        while not seen.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        for pid in sshd.sessions():
            with suppress(ProcessLookupError):  # the end of one may have ended the next
                os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("script", "error", "message"),
    [
        ("echo part; sleep 0.3; touch {seen}; sleep 30", ProtocolError, "in the middle of the answer, after 5 bytes"),
        ("touch {seen}; sleep 30", UnreachableError, "lost before the answer began"),
    ],
)
def test_node_killed_under_a_command(
    tmp_path: Path, transport: SshTransport, script: str, error: type[Exception], message: str
) -> None:
    seen = tmp_path / "seen"
    with start_sshd(tmp_path / "own") as node:
        connection = transport.open(node.endpoint())
        thread = _kill_session_when(node, seen)
        with pytest.raises(error, match=message):
            connection.run(Command(arguments=("sh", "-c", script.format(seen=seen))))
        thread.join()
        with pytest.raises(UnreachableError, match="connection was lost"):
            connection.run(Command(arguments=("true",)))


def test_forced_command_answers_in_place_of_ours(tmp_path: Path, transport: SshTransport) -> None:
    with start_sshd(tmp_path / "own", options={"ForceCommand": "echo only this"}) as node:
        done = transport.open(node.endpoint()).run(Command(arguments=("sh", "-s"), stdin=b"echo ours"))
    assert done.stdout == b"only this\n"


def test_refused_session_is_a_protocol_error_that_names_the_setting(tmp_path: Path, transport: SshTransport) -> None:
    with start_sshd(tmp_path / "own", options={"MaxSessions": "0"}) as node:
        with pytest.raises(ProtocolError) as caught:
            transport.open(node.endpoint()).run(Command(arguments=("true",)))
        assert "MaxSessions" in caught.value.advice


@pytest.mark.root
def test_what_a_login_shell_prints_stays_before_the_answer(tmp_path: Path, transport: SshTransport) -> None:
    noise = "echo noise of the shell\n"
    with start_sshd(
        tmp_path / "own",
        users={"noisy": "pw"},
        etc={"fleet-test/noise": noise},
        options={"ForceCommand": '. /etc/fleet-test/noise; eval "$SSH_ORIGINAL_COMMAND"'},
    ) as node:
        done = transport.open(node.endpoint(user="noisy")).run(Command(arguments=("echo", "answer")))
    assert done.stdout == b"noise of the shell\nanswer\n"


def test_forty_connections_from_threads_at_once(tmp_path: Path, transport: SshTransport) -> None:
    def visit(number: int) -> bytes:
        connection = transport.open(node.endpoint(name=f"node{number}"))
        try:
            return connection.run(Command(arguments=("echo", str(number)), timeout=60)).stdout
        finally:
            connection.close()

    with start_sshd(tmp_path / "own") as node, ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(visit, range(40)))
        assert answers == [f"{number}\n".encode() for number in range(40)]
        assert node.count("^Accepted publickey") == 40
        assert node.count("^Starting session") == 40


def test_closing_twice_is_harmless_and_leaves_no_thread(node: Sshd, transport: SshTransport) -> None:
    connection = transport.open(node.endpoint())
    connection.close()
    connection.close()
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("ssh-")] == []


def test_closing_the_transport_closes_connections_left_open(tmp_path: Path) -> None:
    with start_sshd(tmp_path / "own") as node:
        with SshTransport() as transport:
            transport.open(node.endpoint())
        deadline = time.monotonic() + 60
        while node.sessions() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert node.sessions() == []


def test_ipv6_and_names_with_several_addresses(tmp_path: Path, transport: SshTransport) -> None:
    with start_sshd(tmp_path / "own", address="127.0.0.1") as node:
        # localhost is ::1 first on most machines, where nobody listens on this port.
        known = tmp_path / "known"
        known.write_text(node.known_hosts.read_text().replace("[127.0.0.1]", "[localhost]"))
        connection = transport.open(node.endpoint(address="localhost", known_hosts=(str(known),)))
        assert connection.run(Command(arguments=("echo", "x"))).stdout == b"x\n"


def test_local_connection_runs_commands_of_this_machine() -> None:
    connection = LocalConnection()
    done = connection.run(Command(arguments=("sh", "-s", "--", "a b"), stdin=b'echo "$1"; hostname >&2; exit 3'))
    assert (done.exit_status, done.stdout, done.stderr.strip().decode()) == (3, b"a b\n", socket.gethostname())
    connection.close()
