"""sudo and doas on a real node, with users and rules of its own."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from support.sshd import Sshd, start_sshd

from fleet.model.connection import Completed
from fleet.model.errors import BecomeError, HostTimeoutError
from fleet.model.secret import Secret
from fleet.transport import Command, SshTransport

pytestmark = pytest.mark.root

WHO = Command(arguments=("sh", "-s", "--", "a b"), stdin=b'id -un; echo "$1"; echo err >&2; exit 5', become=True)
SUDOERS = """\
Defaults lecture=always, timestamp_timeout=0
Defaults:ttyonly requiretty
free ALL=(ALL) NOPASSWD: ALL
asks ALL=(ALL) ALL
ttyonly ALL=(ALL) NOPASSWD: ALL
once ALL=(ALL) ALL
Defaults:once passwd_tries=1
"""
DOAS = "permit nopass keepenv dfree\npermit dasks\n"
USERS = dict.fromkeys(("free", "asks", "ttyonly", "once", "nobodys", "dfree", "dasks"), "correct horse")


@pytest.fixture(scope="module")
def sudo_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    etc = {"sudoers": SUDOERS, "doas.conf": DOAS}
    with start_sshd(tmp_path_factory.mktemp("sudo"), users=USERS, etc=etc) as sshd:
        yield sshd


def run(
    node: Sshd,
    transport: SshTransport,
    user: str,
    *,
    command: Command = WHO,
    password: str | None = None,
    **more: object,
) -> Completed:
    secret = Secret(password) if password is not None else None
    endpoint = node.endpoint(**({"user": user, "become": "sudo", "become_password": secret} | more))
    return transport.open(endpoint).run(command)


def test_sudo_without_password_runs_as_root(sudo_node: Sshd, transport: SshTransport) -> None:
    done = run(sudo_node, transport, "free")
    assert (done.exit_status, done.stdout, done.stderr) == (5, b"root\na b\n", b"err\n")


def test_sudo_with_the_right_password_runs_as_root(sudo_node: Sshd, transport: SshTransport) -> None:
    done = run(sudo_node, transport, "asks", password="correct horse")
    assert (done.exit_status, done.stdout) == (5, b"root\na b\n")
    assert b"fleet-sudo" not in done.stderr


def test_sudo_password_works_for_every_command_of_a_connection(sudo_node: Sshd, transport: SshTransport) -> None:
    endpoint = sudo_node.endpoint(user="asks", become="sudo", become_password=Secret("correct horse"))
    connection = transport.open(endpoint)
    assert [connection.run(WHO).stdout for _ in range(2)] == [b"root\na b\n"] * 2
    assert connection.run(replace(WHO, become=False)).stdout == b"asks\na b\n"


def test_password_is_never_sent_to_a_sudo_that_does_not_ask(sudo_node: Sshd, transport: SshTransport) -> None:
    command = Command(arguments=("cat",), stdin=b"only this", become=True)
    done = run(sudo_node, transport, "free", password="correct horse", command=command)
    assert done.stdout == b"only this"
    assert b"correct horse" not in done.stderr


def test_wrong_sudo_password_is_refused_at_the_second_prompt(sudo_node: Sshd, transport: SshTransport) -> None:
    with pytest.raises(BecomeError, match="sudo refused the password of asks") as caught:
        run(sudo_node, transport, "asks", password="wrong horse")
    assert "wrong horse" not in str(caught.value)
    assert sudo_node.count("Starting session") > 0


def test_wrong_sudo_password_with_a_single_try(sudo_node: Sshd, transport: SshTransport) -> None:
    with pytest.raises(BecomeError, match="sudo refused the password"):
        run(sudo_node, transport, "once", password="wrong horse")


def test_sudo_that_needs_a_password_we_do_not_have(sudo_node: Sshd, transport: SshTransport) -> None:
    with pytest.raises(BecomeError, match="sudo asks for a password") as caught:
        run(sudo_node, transport, "asks")
    assert "--ask-become-pass" in caught.value.advice


@pytest.mark.parametrize("password", [None, "correct horse"])
def test_user_without_a_sudo_rule(sudo_node: Sshd, transport: SshTransport, password: str | None) -> None:
    with pytest.raises(BecomeError, match=r"may not run commands as root|asks for a password"):
        run(sudo_node, transport, "nobodys", password=password)


def test_user_without_a_sudo_rule_is_told_apart_from_a_wrong_password(sudo_node: Sshd, transport: SshTransport) -> None:
    with pytest.raises(BecomeError, match="this user may not run commands as root"):
        run(sudo_node, transport, "nobodys", password="correct horse")


@pytest.mark.parametrize("password", [None, "correct horse"])
def test_sudo_that_wants_a_terminal(sudo_node: Sshd, transport: SshTransport, password: str | None) -> None:
    with pytest.raises(BecomeError, match="requiretty"):
        run(sudo_node, transport, "ttyonly", password=password)


def test_doas_runs_as_root(sudo_node: Sshd, transport: SshTransport) -> None:
    done = run(sudo_node, transport, "dfree", become="doas")
    assert (done.exit_status, done.stdout) == (5, b"root\na b\n")


def test_doas_that_wants_a_password_names_the_cure(sudo_node: Sshd, transport: SshTransport) -> None:
    with pytest.raises(BecomeError, match="from a terminal only") as caught:
        run(sudo_node, transport, "dasks", become="doas", password="correct horse")
    assert "permit nopass dasks" in caught.value.advice


def test_doas_without_a_rule(sudo_node: Sshd, transport: SshTransport) -> None:
    with pytest.raises(BecomeError, match="may not run commands as root with doas"):
        run(sudo_node, transport, "nobodys", become="doas")


def node_with_bin(directory: Path, files: Mapping[str, str]) -> dict[str, str]:
    """Options that put a directory of scripts before all others on the PATH of a session."""
    directory.mkdir()
    directory.chmod(0o755)
    for name, text in files.items():
        (directory / name).write_text(text)
        (directory / name).chmod(0o755)
    return {"SetEnv": f"PATH={directory}"}


@pytest.mark.parametrize("password", [None, "correct horse"])
@pytest.mark.parametrize("method", ["sudo", "doas"])
def test_missing_tool_is_named(tmp_path: Path, transport: SshTransport, method: str, password: str | None) -> None:
    options = node_with_bin(tmp_path / "bin", {})
    (tmp_path / "bin" / "env").symlink_to("/usr/bin/env")
    tmp_path.chmod(0o755)
    with (
        start_sshd(tmp_path / "own", options=options) as node,
        pytest.raises(BecomeError, match=f"{method} is not installed"),
    ):
        run(node, transport, "root", become=method, password=password)


@pytest.mark.parametrize(
    ("password", "script"),
    [
        (None, "echo 'sudo: unable to resolve host node1: Name or service not known' >&2; exec sleep 20"),
        ("correct horse", "exec sleep 20"),
    ],
)
def test_slow_sudo_is_told_from_a_slow_command(
    tmp_path: Path, transport: SshTransport, password: str | None, script: str
) -> None:
    options = node_with_bin(tmp_path / "bin", {"sudo": f"#!/bin/sh\n{script}\n"})
    options["SetEnv"] += ":/usr/bin:/bin"
    tmp_path.chmod(0o755)
    with start_sshd(tmp_path / "own", options=options) as node:
        before = time.monotonic()
        with pytest.raises(BecomeError, match=r"sudo did not start the command within 0.5 s") as caught:
            run(node, transport, "root", password=password, command=replace(WHO, timeout=0.5))
        assert "/etc/hosts" in caught.value.advice
        assert time.monotonic() - before < 15


def test_slow_command_under_sudo_is_a_timeout(sudo_node: Sshd, transport: SshTransport) -> None:
    command = Command(arguments=("sleep", "60"), become=True, timeout=5)
    for user, password in (("free", None), ("asks", "correct horse")):
        with pytest.raises(HostTimeoutError, match=r"did not end within 5 s"):
            run(sudo_node, transport, user, password=password, command=command)


def test_secrets_of_sudo_are_in_no_argument_list(sudo_node: Sshd, transport: SshTransport) -> None:
    script = b"cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'"
    done = run(
        sudo_node,
        transport,
        "asks",
        password="correct horse",
        command=Command(arguments=("sh", "-s"), stdin=script, become=True),
    )
    assert b"fleet-sudo-" in done.stdout
    assert b"correct horse" not in done.stdout
