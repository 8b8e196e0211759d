"""What the real readers make of the files: systemd-sysctl, sysctl --system, modprobe and systemd-analyze."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from support.render import SETTINGS, drop_in, ipvs, line, modprobe, sysctl
from support.sysctl_oracle import Oracle

from fleet.kernel.services import Service
from fleet.render import RenderedFile

MODPROBE = shutil.which("modprobe", path="/usr/sbin:/sbin") or "/usr/sbin/modprobe"

# None of them is a key of the host alone: all can be set in a namespace.
SET = (
    *(each for each in SETTINGS if not each.key.endswith("_max")),
    line("net.ipv4.tcp_fin_timeout", "31"),
    line("net.ipv4.conf.d/1.rp_filter", "2"),
    line("net.netfilter.nf_conntrack_tcp_timeout_established", "7441", why="{{ 7 * 7 }}\nnet.core.somaxconn = 5 \\"),
)


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    with Oracle(tmp_path_factory.mktemp("root")) as worker:
        yield worker


@pytest.mark.root
@pytest.mark.parametrize("tool", ["systemd", "procps"])
def test_exactly_the_given_keys_are_set(oracle: Oracle, tool: str) -> None:
    file = sysctl(*SET, playbook="net.core.somaxconn = 6\nnet.core.somaxconn = 7")
    entry = {"path": file.path, "kind": "file", "content": file.content.decode("latin-1")}
    answer = oracle.apply(tool, [entry])
    wanted = {each.key: " ".join(each.value.split()) for each in SET}
    assert answer["values"] == oracle.defaults | wanted
    assert answer["status"] == 0


@pytest.mark.parametrize("why", ["The table is too small.", "It ends in a backslash \\", "two \\\nlines \\\n"])
def test_modprobe_reads_the_option_whatever_the_reason(tmp_path: Path, why: str) -> None:
    """A backslash at the end of a comment would make modprobe take the option for a part of it."""
    (tmp_path / "fleet.conf").write_bytes(modprobe(why=why, buckets=131_072).content)
    command = [MODPROBE, "--config", str(tmp_path), "--showconfig"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert [each for each in shown.splitlines() if each.startswith("options nf_conntrack ")] == [
        "options nf_conntrack hashsize=131072"
    ]


def machine(root: Path, files: Mapping[str, bytes]) -> Path:
    """A root directory with as much of a machine as systemd-analyze asks for."""
    units = root / "usr/lib/systemd/system"
    for target in ("sysinit", "basic", "shutdown", "multi-user"):
        _write(units / f"{target}.target", b"[Unit]\nDefaultDependencies=no\n")
    _write(units / "systemd-modules-load.service", b"[Service]\nType=oneshot\nExecStart=/sbin/modprobe\n")
    for program in ("modprobe", "sysctl", "ipvsadm", "true"):
        _write(root / "sbin" / program, b"#!/bin/sh\n")
        (root / "sbin" / program).chmod(0o755)
    for path, content in files.items():
        _write(root / path.removeprefix("/"), content)
    return root


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def verified(root: Path, unit: str) -> str:
    """What systemd-analyze says about a unit: nothing where it is clean, warnings included."""
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=yes", f"--root={root}", unit]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr + (f"status {done.returncode}" if done.returncode else "")


def unit_of(service: str) -> dict[str, bytes]:
    return {f"/etc/systemd/system/{service}.service": b"[Service]\nExecStart=/sbin/true\n"}


@pytest.mark.parametrize("service", ["kubelet", "k3s", "k3s-agent", "rke2-server", "rke2-agent"])
def test_drop_ins_are_clean(tmp_path: Path, service: Service) -> None:
    odd = line("net.ipv4.conf.eth0/100.rp_filter", "2", why="%H $HOME 'x \"y\nExecStart=/bin/false \\")
    file = drop_in(service, *SETTINGS, odd)
    root = machine(tmp_path, {**unit_of(service), file.path: file.content})
    assert verified(root, f"{service}.service") == ""


def test_the_ipvs_unit_is_clean(tmp_path: Path) -> None:
    file = ipvs(why="%H $HOME 'x \"y\nExecStart=/bin/false \\")
    assert verified(machine(tmp_path, {file.path: file.content}), Path(file.path).name) == ""


def with_text(file: RenderedFile, old: bytes, new: bytes) -> bytes:
    assert old in file.content
    return file.content.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"ExecStartPre=", b"ExecStarPre=", "ExecStarPre"),
        (b'=1048576"', b"=1048576", "Unbalanced quoting"),
        (b"[Service]", b"[Servce]", "Servce"),
        (b"-/sbin/modprobe", b"-sbin/modprobe", "absolute path"),
    ],
)
def test_systemd_analyze_would_tell_of_a_broken_drop_in(tmp_path: Path, old: bytes, new: bytes, message: str) -> None:
    file = drop_in("k3s")
    root = machine(tmp_path, {**unit_of("k3s"), file.path: with_text(file, old, new)})
    assert message in verified(root, "k3s.service")
