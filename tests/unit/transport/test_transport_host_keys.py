import base64
import fcntl
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.model.connection import Endpoint
from fleet.model.errors import HostKeyError
from fleet.transport import SshTransport
from fleet.transport.host_keys import HostKeys, ServerKey
from fleet.transport.known_hosts import KnownHosts, known_line
from fleet.transport.target import Target

Make = Callable[..., Target]


def server(number: int = 0, kind: str = "ssh-ed25519") -> ServerKey:
    blob = len(kind).to_bytes(4, "big") + kind.encode() + number.to_bytes(36, "big")
    return ServerKey(key_type=kind, blob=blob)


@pytest.fixture
def known(tmp_path: Path) -> Path:
    return tmp_path / "ssh" / "known_hosts"


@pytest.fixture
def target(known: Path) -> Make:
    endpoint = Endpoint(name="web1", address="web", user="root", ssh_config="none", known_hosts=(str(known),))
    with SshTransport() as transport:
        resolved = replace(transport.resolve(endpoint), known_hosts=(str(known),))
    return lambda **changes: replace(resolved, **changes)


def write(known: Path, *keys: ServerKey, name: str = "web", marker: str = "") -> None:
    known.parent.mkdir(exist_ok=True)
    with known.open("a") as file:
        for key in keys:
            file.write(f"{marker}{known_line(name, key.key_type, key.blob, hashed=False)}\n")


def test_first_contact_makes_a_private_file_and_directory(known: Path, target: Make) -> None:
    HostKeys().check(target(accept_new=True), server())
    assert KnownHosts("k", known.read_bytes()).lookup("web")[0].blob == server().blob
    assert (known.stat().st_mode & 0o777, known.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_nothing_is_written_unless_asked_for(known: Path, target: Make) -> None:
    with pytest.raises(HostKeyError, match="is not known"):
        HostKeys().check(target(), server())
    assert not known.exists()


def test_new_name_is_hashed_where_asked_for(known: Path, target: Make) -> None:
    HostKeys().check(target(accept_new=True, hash_known_hosts=True), server())
    assert "web" not in known.read_text()
    HostKeys().check(target(), server())


def test_link_permissions_and_last_line_without_newline_are_kept(known: Path, target: Make, tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.write_text("# end")
    real.chmod(0o644)
    known.parent.mkdir()
    known.symlink_to(real)
    HostKeys().check(target(accept_new=True), server())
    assert known.is_symlink()
    assert (real.read_text().splitlines()[0], real.stat().st_mode & 0o777) == ("# end", 0o644)
    HostKeys().check(target(), server())


def test_many_threads_and_processes_lose_no_line_of_each_other(known: Path, target: Make) -> None:
    first, second = HostKeys(), HostKeys()
    for keys in (first, second):  # both have read the file before the other writes
        assert keys.algorithms(target())

    def meet(number: int) -> None:
        keys = first if number % 2 else second
        keys.check(target(accept_new=True, known_name=f"host{number % 30}"), server(number % 30))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(meet, range(120)))
    lines = known.read_text().splitlines()
    assert len(lines) == len(set(lines)) == 30


def test_key_that_another_process_accepted_meanwhile_is_compared(target: Make) -> None:
    ours = HostKeys()
    ours.algorithms(target())
    HostKeys().check(target(accept_new=True), server(1))
    with pytest.raises(HostKeyError, match="has changed"):
        ours.check(target(accept_new=True), server(2))


def test_writer_waits_for_the_lock_and_looks_again(known: Path, target: Make) -> None:
    write(known)
    keys = HostKeys()
    keys.algorithms(target())
    line = known_line("web", server().key_type, server().blob, hashed=False)
    with known.open("a") as other, ThreadPoolExecutor(1) as pool:
        fcntl.flock(other, fcntl.LOCK_EX)
        waiting = pool.submit(keys.check, target(accept_new=True), server())
        with pytest.raises(TimeoutError):
            waiting.result(0.2)
        other.write(f"{line}\n")
        other.flush()
        fcntl.flock(other, fcntl.LOCK_UN)
        waiting.result(5)
    assert known.read_text() == f"{line}\n"


def test_only_algorithms_of_known_keys_are_asked_for(known: Path, target: Make) -> None:
    assert HostKeys().algorithms(target()) == target().algorithms.host_keys
    write(known, server(kind="ssh-rsa"))
    assert HostKeys().algorithms(target()) == ("rsa-sha2-512", "rsa-sha2-256")
    write(known, server())
    assert HostKeys().algorithms(target()) == ("ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256")


def test_host_known_by_an_old_kind_of_key_only_is_explained(known: Path, target: Make) -> None:
    write(known, server(kind="ssh-dss"))
    with pytest.raises(HostKeyError, match=r"only known keys of web are of type ssh-dss .* line 1"):
        HostKeys().algorithms(target(accept_new=True))


def test_certificate_authority_is_explained(known: Path, target: Make) -> None:
    write(known, server(), name="*", marker="@cert-authority ")
    with pytest.raises(HostKeyError, match="cannot check host certificates") as caught:
        HostKeys().algorithms(target())
    assert "ssh-keyscan" in caught.value.advice
    with pytest.raises(HostKeyError, match="is not known"):
        HostKeys().check(target(), server())


@pytest.mark.parametrize("known_as_well", [False, True])
def test_revoked_key_is_refused_for_known_and_new_hosts(known: Path, target: Make, *, known_as_well: bool) -> None:
    write(known, server(), name="*", marker="@revoked ")
    if known_as_well:
        write(known, server())
    with pytest.raises(HostKeyError, match=r"is revoked by .* line 1"):
        HostKeys().check(target(accept_new=True), server())


def test_key_of_any_file_is_known(known: Path, target: Make, tmp_path: Path) -> None:
    write(known, server())
    HostKeys().check(target(known_hosts=(str(tmp_path / "missing"), str(known))), server())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_file_that_cannot_be_written_is_an_error_of_the_host(known: Path, target: Make) -> None:
    known.parent.mkdir()
    known.parent.chmod(0o500)
    with pytest.raises(HostKeyError, match="cannot be written"):
        HostKeys().check(target(accept_new=True), server())


def test_fingerprint_is_that_of_ssh_keygen() -> None:
    # ssh-keygen -l of the host key of github.com, as GitHub publishes it.
    blob = base64.b64decode("AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl")
    assert (
        ServerKey(key_type="ssh-ed25519", blob=blob).fingerprint == "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
    )
