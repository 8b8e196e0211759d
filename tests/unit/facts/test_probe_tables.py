"""The parts of the real probe that read kernel tables, given tables of our own, under each shell and awk."""

import shutil
from pathlib import Path

import pytest
from support.probe import NONCE, SHELLS, run_probe_locally

from fleet.facts import parse_answer, probe_script
from fleet.model.facts import IpvsTimeouts, Listener, NodeFacts, Reason, Unavailable

pytestmark = [
    pytest.mark.parametrize("shell", list(SHELLS)),
    pytest.mark.skipif(
        any(shutil.which(command[0]) is None for command in SHELLS.values()), reason="needs dash, bash and busybox"
    ),
]

TCP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2
   2: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 3
   3: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4
"""
TCP6 = """  sl  local_address                         remote_address                        st tx_queue
   0: B80D0120000000000000000001000000:1A0B 00000000000000000000000000000000:0000 0A 00000000:00000000
"""
UDP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
  10: 0100007F:1234 0100007F:0035 01 00000000:00000000 00:00000000 00000000     0        0 1
  11: 3500007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 2
"""
IP_VS = """IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  0A60000A:2328 rr
  -> 0A020002:2328      Masq    1      3          4
  -> 0A020003:2328      Masq    1      0          1
UDP  0A60000A:0035 rr
FWM  00000001 rr
"""


PROGRAMS = ("sysctl", "modprobe", "ipvsadm")


def read(shell: str, directory: Path, tools: dict[str, str]) -> NodeFacts:
    script = probe_script()
    for file in ("tcp", "tcp6", "udp", "udp6", "ip_vs", "ip_tables_names"):
        script = script.replace(f"/proc/net/{file}".encode() + b"\n", f"{directory}/{file}\n".encode())
        script = script.replace(f'/proc/net/{file}"'.encode(), f'{directory}/{file}"'.encode())
        script = script.replace(f"/proc/net/{file} ]".encode(), f"{directory}/{file} ]".encode())
    script = script.replace(b" /etc/systemd/system/*", f" {directory}/system/*".encode())
    # No table of the machine that runs the tests is asked for.
    script = script.replace(b"is_there nf_tables", b"false").replace(b'"$uid" = 0', b"0 = 0")
    path = directory / "bin"
    path.mkdir()
    for name, text in tools.items():
        (path / name).write_text(f"#!/bin/sh\n{text}\n")
        (path / name).chmod(0o755)
    answer = run_probe_locally(shell, [], script=script, path=str(path))
    return parse_answer(answer, nonce=NONCE, host="node-1")


@pytest.mark.parametrize("awk", ["mawk", "busybox awk", "gawk"])
def test_listeners_are_read_until_the_first_connection(shell: str, awk: str, tmp_path: Path) -> None:
    if shutil.which(awk.split(maxsplit=1)[0]) is None:
        pytest.skip(f"{awk} is not installed")
    (tmp_path / "tcp").write_text(TCP)
    (tmp_path / "tcp6").write_text(TCP6)
    (tmp_path / "udp").write_text(UDP)
    facts = read(shell, tmp_path, {"awk": f'exec {awk} "$@"'})
    assert facts.listeners == (
        Listener(protocol="tcp", address="127.0.0.1", port=8080),
        Listener(protocol="tcp", address="2001:db8::1", port=6667),
        Listener(protocol="udp", address="127.0.0.53", port=53),
    )


def test_ipvs_is_read_where_it_is_loaded(shell: str, tmp_path: Path) -> None:
    (tmp_path / "ip_vs").write_text(IP_VS)
    facts = read(shell, tmp_path, {"ipvsadm": 'echo "Timeout (tcp tcpfin udp): 1200 60 30"'})
    assert facts.ipvs.timeouts == IpvsTimeouts(tcp=1200, tcp_fin=60, udp=30)
    assert (facts.ipvs.services, facts.ipvs.connections) == (3, 8)


def units_that_set_timeouts(directory: Path) -> None:
    wants = directory / "system" / "multi-user.target.wants"
    wants.mkdir(parents=True)
    for name, command in (("own", "ipvsadm --set 1 2 3"), ("a b", "ipvsadm --set 1 2 3"), ("other", "true")):
        (directory / "system" / f"{name}.service").write_text(f"[Service]\nExecStart={command}\n")
        (wants / f"{name}.service").symlink_to(f"../{name}.service")


def test_units_that_set_the_timeouts_of_ipvs_are_read_with_the_links_that_enable_them(
    shell: str, tmp_path: Path
) -> None:
    (tmp_path / "ip_vs").write_text(IP_VS)
    units_that_set_timeouts(tmp_path)
    files = read(shell, tmp_path, {}).files
    own = f"{tmp_path}/system/own.service"
    link = f"{tmp_path}/system/multi-user.target.wants/own.service"
    assert files[own].content == b"[Service]\nExecStart=ipvsadm --set 1 2 3\n"
    assert (files[link].kind, files[link].link) == ("link", "../own.service")
    assert {path for path in files if path.startswith(f"{tmp_path}/system/")} == {own, link}


def test_units_are_not_searched_where_ip_vs_is_not_loaded(shell: str, tmp_path: Path) -> None:
    units_that_set_timeouts(tmp_path)
    files = read(shell, tmp_path, {}).files
    assert not [path for path in files if path.startswith(f"{tmp_path}/system/")]


def test_programs_are_told_by_the_full_names_that_the_node_has(shell: str, tmp_path: Path) -> None:
    facts = read(shell, tmp_path, {})
    found = {
        name: next((d for d in ("/sbin", "/usr/sbin", "/bin", "/usr/bin") if Path(d, name).exists()), None)
        for name in PROGRAMS
    }
    assert facts.programs == {name: f"{directory}/{name}" for name, directory in found.items() if directory}


def test_ipvsadm_is_not_run_where_ip_vs_is_not_loaded(shell: str, tmp_path: Path) -> None:
    facts = read(shell, tmp_path, {name: f"echo {name} >>{tmp_path}/called" for name in ("ipvsadm", "iptables-save")})
    assert facts.ipvs.timeouts == Unavailable(Reason.NOT_LOADED, "ip_vs")
    assert not (tmp_path / "called").exists()


def test_legacy_tables_are_asked_for_only_where_they_are_loaded(shell: str, tmp_path: Path) -> None:
    (tmp_path / "ip_tables_names").write_text("nat\nfilter\n")
    called = f'echo "$@" >>{tmp_path}/called; echo "-A FORWARD -m state --state INVALID -j DROP"'
    read(shell, tmp_path, {"iptables-legacy-save": called})
    assert (tmp_path / "called").read_text() == "-t filter\n"


def test_node_without_awk_says_so(shell: str, tmp_path: Path) -> None:
    facts = read(shell, tmp_path, {"awk": "exit 127"})
    assert facts.listeners == Unavailable(Reason.NOT_INSTALLED, "awk")
