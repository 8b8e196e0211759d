"""Keys, agents and passwords against a real sshd."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.sshd import Sshd, known_line, make_key, start_sshd

from fleet.model.errors import AuthError
from fleet.model.secret import Secret
from fleet.transport import Command, SshTransport

ECHO = Command(arguments=("echo", "in"))


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "agent.sock"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
    yield path
    process.terminate()
    process.wait(5)


def add_to_agent(key: Path) -> None:
    subprocess.run(["ssh-add", "-q", str(key)], check=True)


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_key_of_each_type_logs_in(tmp_path: Path, transport: SshTransport, kind: str) -> None:
    key = make_key(tmp_path / "key", kind=kind)
    with start_sshd(tmp_path / "own", client_key=key) as node:
        assert transport.open(node.endpoint()).run(ECHO).stdout == b"in\n"


def test_default_key_of_the_home_directory_logs_in(tmp_path: Path, home: Path, transport: SshTransport) -> None:
    key = make_key(home / ".ssh" / "id_ed25519")
    with start_sshd(tmp_path / "own", client_key=key) as node:
        assert transport.open(node.endpoint(identity_files=())).run(ECHO).stdout == b"in\n"


@pytest.fixture
def encrypted(tmp_path: Path) -> Iterator[Sshd]:
    key = make_key(tmp_path / "encrypted", passphrase="open sesame")
    with start_sshd(tmp_path / "own", client_key=key) as node:
        yield node


def test_encrypted_key_with_its_passphrase_logs_in(encrypted: Sshd, transport: SshTransport) -> None:
    endpoint = encrypted.endpoint(passphrase=Secret("open sesame"))
    assert transport.open(endpoint).run(ECHO).stdout == b"in\n"


def test_encrypted_key_without_passphrase_tells_how_to_give_it(encrypted: Sshd, transport: SshTransport) -> None:
    with pytest.raises(AuthError, match=rf"key {encrypted.client_key} is encrypted and no passphrase") as caught:
        transport.open(encrypted.endpoint())
    for way in ("ssh-add", "$FLEET_KEY_PASSPHRASE", "--ask-passphrase"):
        assert way in caught.value.advice


def test_wrong_passphrase_is_an_auth_error_without_the_passphrase(encrypted: Sshd, transport: SshTransport) -> None:
    with pytest.raises(AuthError, match=rf"does not open key {encrypted.client_key}") as caught:
        transport.open(encrypted.endpoint(passphrase=Secret("wrong words")))
    assert "wrong words" not in f"{caught.value} {caught.value.__cause__!r}"


def test_encrypted_key_is_decrypted_once_for_all_hosts(
    encrypted: Sshd, transport: SshTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    import bcrypt  # noqa: PLC0415 what the test counts

    calls: list[int] = []
    derive = bcrypt.kdf

    def counted(*arguments: object, **options: object) -> bytes:
        calls.append(1)
        return derive(*arguments, **options)  # type: ignore[arg-type] # passed on as it came

    monkeypatch.setattr(bcrypt, "kdf", counted)
    for number in range(3):
        transport.open(encrypted.endpoint(name=f"n{number}", passphrase=Secret("open sesame"))).close()
    assert len(calls) <= 1


def test_agent_key_logs_in(agent: Path, encrypted: Sshd, tmp_path: Path, transport: SshTransport) -> None:
    del agent
    plain = tmp_path / "plain"
    plain.write_bytes(encrypted.client_key.read_bytes())
    plain.chmod(0o600)
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "open sesame", "-N", "", "-f", str(plain)], check=True)
    add_to_agent(plain)
    for identity_files in ((), (str(encrypted.client_key),)):
        endpoint = encrypted.endpoint(identity_files=identity_files, use_agent=None)
        assert transport.open(endpoint).run(ECHO).stdout == b"in\n"


def test_identities_only_offers_no_other_key_of_the_agent(
    agent: Path, tmp_path: Path, home: Path, transport: SshTransport
) -> None:
    del agent
    right = make_key(tmp_path / "right")
    for number in range(7):
        add_to_agent(make_key(tmp_path / f"other{number}"))
    add_to_agent(right)
    with start_sshd(tmp_path / "own", client_key=right) as node:
        right.unlink()  # only the agent and the .pub are left
        with pytest.raises(AuthError, match="ended the login after agent key other0") as caught:
            transport.open(node.endpoint(identity_files=(), use_agent=None))
        assert "IdentitiesOnly" in caught.value.advice
        (home / ".ssh" / "config").write_text(f"Host *\n  IdentitiesOnly yes\n  IdentityFile {right}\n")
        endpoint = node.endpoint(identity_files=(), use_agent=None, ssh_config=None)
        assert transport.open(endpoint).run(ECHO).stdout == b"in\n"


def test_dead_agent_does_not_stand_in_the_way(
    node: Sshd, tmp_path: Path, transport: SshTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "nobody"))
    transport.open(node.endpoint(use_agent=None)).close()
    with pytest.raises(AuthError, match=r"agent at .*nobody does not answer"):
        transport.open(node.endpoint(use_agent=None, identity_files=()))


def test_missing_key_file_is_named(node: Sshd, transport: SshTransport) -> None:
    with pytest.raises(AuthError, match=r"nothing to log in to .* there is no key /nonexistent/key"):
        transport.open(node.endpoint(identity_files=("/nonexistent/key",)))


def test_file_that_is_no_key_is_named(node: Sshd, transport: SshTransport) -> None:
    with pytest.raises(AuthError, match="is no private key that fleet can use"):
        transport.open(node.endpoint(identity_files=(str(node.known_hosts),)))


@pytest.mark.root
@pytest.mark.parametrize(
    "options",
    [
        {"PasswordAuthentication": "yes", "UsePAM": "yes"},
        {"KbdInteractiveAuthentication": "yes", "UsePAM": "yes"},
        {"PasswordAuthentication": "yes", "UsePAM": "yes", "AuthenticationMethods": "publickey,password"},
    ],
    ids=["password", "keyboard-interactive", "key and password"],
)
def test_password_logs_in_and_a_wrong_one_does_not(
    tmp_path: Path, transport: SshTransport, options: dict[str, str]
) -> None:
    with start_sshd(tmp_path / "own", users={"ops": "right word"}, options=options) as node:
        endpoint = {"user": "ops", "identity_files": (str(node.client_key),) if len(options) > 2 else ()}
        done = transport.open(node.endpoint(password=Secret("right word"), **endpoint)).run(ECHO)
        assert done.stdout == b"in\n"
        with pytest.raises(AuthError, match=r"refused .*(password|keyboard-interactive)") as caught:
            transport.open(node.endpoint(password=Secret("wrong word"), **endpoint))
        assert "wrong word" not in str(caught.value)


def test_password_is_not_sent_to_a_host_that_takes_keys_only(node: Sshd, transport: SshTransport) -> None:
    with pytest.raises(AuthError, match="refused password; it takes publickey"):
        transport.open(node.endpoint(identity_files=(), password=Secret("a word")))


def test_new_host_key_is_remembered_and_checked_from_then_on(
    tmp_path: Path, home: Path, transport: SshTransport
) -> None:
    known = home / ".ssh" / "known_hosts"
    known.write_text("other ssh-ed25519 AAAA")
    known.chmod(0o640)
    with start_sshd(tmp_path / "own") as node:
        transport.open(node.endpoint(known_hosts=None, accept_new=True)).close()
        line = known_line("127.0.0.1", node.port, Path(f"{node.host_keys[0]}.pub"))
        assert known.read_text() == f"other ssh-ed25519 AAAA\n{line}"
        assert known.stat().st_mode & 0o777 == 0o640
        transport.open(node.endpoint(known_hosts=None)).close()
        with SshTransport() as later:
            later.open(node.endpoint(known_hosts=None)).close()


def test_ssh_config_says_how_to_reach_a_host(tmp_path: Path, home: Path, transport: SshTransport) -> None:
    with start_sshd(tmp_path / "own") as node:
        (home / ".ssh" / "config").write_text(
            "Include extra.conf\nHost web\n  HostName 127.0.0.1\n"
            f"  Port {node.port}\n  IdentityFile {node.client_key}\n"
            f"  UserKnownHostsFile {node.known_hosts}\n"
        )
        (home / ".ssh" / "extra.conf").write_text(f"Host web\n  User {node.endpoint().user}\n")
        endpoint = node.endpoint(
            address="web", port=None, user=None, identity_files=(), known_hosts=None, ssh_config=None
        )
        assert transport.open(endpoint).run(ECHO).stdout == b"in\n"


def test_secrets_are_in_no_argument_list_and_no_log(
    encrypted: Sshd, transport: SshTransport, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    connection = transport.open(encrypted.endpoint(passphrase=Secret("open sesame")))
    script = "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; env"
    seen = connection.run(Command(arguments=("sh", "-s"), stdin=script.encode())).stdout
    assert b"open sesame" not in seen
    assert "open sesame" not in caplog.text + encrypted.log.read_text()
    assert os.environ.get("FLEET_KEY_PASSPHRASE") is None
