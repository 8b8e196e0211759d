import shutil
import subprocess
from pathlib import Path

import pytest
from support.probe import NONCE, SHELLS

import fleet.facts
from fleet.facts import ProbeRequest, key_in_dots, key_path, probe_arguments, probe_script


@pytest.mark.parametrize(
    ("key", "path", "dots"),
    [
        ("net.ipv4.tcp_fin_timeout", "net/ipv4/tcp_fin_timeout", "net.ipv4.tcp_fin_timeout"),
        ("net/ipv4/tcp_fin_timeout", "net/ipv4/tcp_fin_timeout", "net.ipv4.tcp_fin_timeout"),
        ("net/ipv4/conf/eth0.100/rp_filter", "net/ipv4/conf/eth0.100/rp_filter", "net.ipv4.conf.eth0/100.rp_filter"),
        ("net.ipv4.conf.eth0/100.rp_filter", "net/ipv4/conf/eth0.100/rp_filter", "net.ipv4.conf.eth0/100.rp_filter"),
    ],
)
def test_keys_are_read_as_sysctl_d_reads_them(key: str, path: str, dots: str) -> None:
    assert key_path(key) == path
    assert key_in_dots(key) == dots
    assert key_in_dots(dots) == dots


def test_arguments_are_the_nonce_and_each_path_once() -> None:
    request = ProbeRequest(keys=("kernel.panic", "kernel/panic", "net.core.somaxconn"), files=("/etc/a.conf",))
    assert probe_arguments(NONCE, request) == (NONCE, "kernel/panic", "net/core/somaxconn", "/etc/a.conf")


@pytest.mark.parametrize(
    "key",
    [
        *(
            "",
            "kernel",
            "kernel.*",
            "kernel.pa nic",
            "kernel.$HOME",
            "kernel.panic;reboot",
            "kernel.`id`",
            "kernel.a'b",
        ),
        *("../etc/passwd", "net/../../etc/passwd", "/etc/passwd", "-n/x", "kernel.panic\n", "kernel.ä", "kernel/a=b"),
        *("~root/x", "kernel//panic", "kernel/panic/", "!kernel/panic", "kernel/\0"),
    ],
)
def test_key_that_a_shell_could_misread_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="not the name of a sysctl key"):
        probe_arguments(NONCE, ProbeRequest(keys=(key,)))


@pytest.mark.parametrize("path", ["", "etc/passwd", "/etc/../root/x", "/etc/a b", "/etc/*", "/etc/a\n", "/", "/a/./b"])
def test_path_that_a_shell_could_misread_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="not an absolute path"):
        probe_arguments(NONCE, ProbeRequest(keys=(), files=(path,)))


@pytest.mark.parametrize("nonce", ["", "abc", "g" * 32, "A" * 32, "0" * 65, "0" * 31 + "\n"])
def test_weak_nonce_is_refused(nonce: str) -> None:
    with pytest.raises(ValueError, match="nonce"):
        probe_arguments(nonce, ProbeRequest(keys=()))


def test_more_than_one_command_can_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="more keys"):
        probe_arguments(NONCE, ProbeRequest(keys=tuple(f"net.ipv4.conf.interface{n}.rp_filter" for n in range(5000))))


def printed_by(*shell: str, script: bytes) -> bytes:
    command = [*shell, "-s", "--", NONCE, "kernel/panic"]
    return subprocess.run(command, input=script, capture_output=True, check=False, timeout=60).stdout


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_script_that_was_cut_off_runs_nothing(share: float) -> None:
    script = probe_script()
    assert printed_by("sh", script=script[: int(len(script) * share)]) == b""


@pytest.mark.parametrize("shell", SHELLS)
def test_nothing_runs_before_the_last_line(shell: str) -> None:
    if shutil.which(SHELLS[shell][0]) is None:
        pytest.skip(f"{shell} is not installed")
    *rest, last = probe_script().splitlines(keepends=True)
    assert last == b'{ probe "$@"; }\n'
    for length in range(len(last) - 1):  # all but the line break may be missing
        assert printed_by(*SHELLS[shell], script=b"".join(rest) + last[:length]) == b""


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash, which prints the functions that it has read")
def test_comments_are_all_that_the_script_leaves_out_of_its_parts() -> None:
    parts = sorted(Path(fleet.facts.__file__).parent.glob("probe/*.sh"))
    whole = b"".join(part.read_bytes() for part in parts)

    def functions(script: bytes) -> bytes:
        return printed_by("bash", script=script.replace(b'{ probe "$@"; }\n', b"") + b"declare -f\n")

    assert functions(probe_script()) == functions(whole)
    assert b"probe_values ()" in functions(whole)
