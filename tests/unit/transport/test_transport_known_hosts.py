import base64
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.model.errors import DocumentError
from fleet.transport.known_hosts import KnownHosts, known_line, known_name

BLOB = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(32)
OTHER = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + b"\1" * 32
KEY = f"ssh-ed25519 {base64.b64encode(BLOB).decode()}"


def index(*lines: str) -> KnownHosts:
    return KnownHosts("known_hosts", "\n".join(lines).encode())


def lines_found(hosts: KnownHosts, name: str) -> list[int]:
    return [key.line for key in hosts.lookup(name)]


def test_name_is_found_on_each_of_its_lines() -> None:
    hosts = index("# comment", "", f"web,10.0.0.1 {KEY} me@here", f"db {KEY}", f"WEB {KEY}")
    assert lines_found(hosts, "web") == [3, 5]
    assert lines_found(hosts, "Web") == [3, 5]
    assert lines_found(hosts, "10.0.0.1") == [3]
    assert lines_found(hosts, "nobody") == []
    assert hosts.lookup("db")[0].blob == BLOB


def test_port_is_part_of_the_name() -> None:
    hosts = index(f"[web]:2222 {KEY}", f"web {KEY}")
    assert lines_found(hosts, known_name("web", 2222)) == [1]
    assert lines_found(hosts, known_name("web", 22)) == [2]
    assert lines_found(hosts, known_name("web", 23)) == []


def test_wildcards_and_negation_match_as_in_openssh() -> None:
    hosts = index(f"*.example.com,!db.example.com {KEY}", f"[10.0.0.?]:22?2 {KEY}", f"!only-negated {KEY}")
    assert lines_found(hosts, "web.example.com") == [1]
    assert lines_found(hosts, "db.example.com") == []
    assert lines_found(hosts, "[10.0.0.7]:2222") == [2]
    assert lines_found(hosts, "1:2222") == []
    assert lines_found(hosts, "else") == []


def test_markers_are_kept() -> None:
    hosts = index(f"@revoked * {KEY}", f"@cert-authority *.example.com {KEY}", f"@unknown * {KEY}")
    assert [key.marker for key in hosts.lookup("web.example.com")] == ["@revoked", "@cert-authority"]


@pytest.mark.parametrize(
    "line", ["web", "web ssh-ed25519", "web ssh-ed25519 !!!", f"web ssh-rsa {KEY.split()[1]}", "|1|x"]
)
def test_malformed_line_makes_the_host_unknown(line: str) -> None:
    assert lines_found(index(line), "web") == []


@pytest.mark.parametrize("line", ["@revoked", "@revoked * ssh-ed25519 AAA", f"@revoked |1|@|@ {KEY}"])
def test_malformed_revocation_is_an_error_with_its_line(line: str) -> None:
    with pytest.raises(DocumentError, match=r"^known_hosts:2: .*@revoked"):
        index("# first", line)


def test_line_written_is_found_again() -> None:
    for hashed in (False, True):
        hosts = index(known_line("[web]:2222", "ssh-ed25519", BLOB, hashed=hashed))
        assert [key.blob for key in hosts.lookup("[web]:2222")] == [BLOB]
        assert hosts.lookup("web") == ()


def test_line_added_later_is_found_though_the_name_was_asked_for_before() -> None:
    hosts = index(f"web {KEY}")
    assert lines_found(hosts, "web") == [1]
    hosts.add(known_line("web", "ssh-ed25519", OTHER, hashed=False))
    assert lines_found(hosts, "web") == [1, 2]


def test_names_hashed_by_ssh_keygen_are_found(tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(f"web {KEY}\n[db]:2222 {KEY}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(path)], check=True, capture_output=True)
    assert "web" not in path.read_text()
    hosts = KnownHosts(str(path), path.read_bytes())
    assert lines_found(hosts, "web") == [1]
    assert lines_found(hosts, "[db]:2222") == [2]
    assert lines_found(hosts, "db") == []


@given(st.binary(max_size=400))
def test_any_bytes_load_or_are_refused_by_line(data: bytes) -> None:
    try:
        hosts = KnownHosts("known_hosts", data)
    except DocumentError as error:
        assert error.line is not None  # noqa: PT017 both outcomes are right
    else:
        assert hosts.lookup("web") in {(), hosts.lookup("WEB")}
