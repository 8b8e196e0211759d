"""The connections of two namespaces, read under each shell and held against what was made there."""

import shutil
import subprocess

import pytest
from support.probe import NONCE, SHELLS

from fleet.facts.connections import connections_arguments, connections_script, parse_connections
from fleet.model.connections import Connections, SocketAddress
from fleet.model.facts import Reason, Unavailable

SHELL = pytest.mark.parametrize("shell", SHELLS)
_NODE = ("unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c")
# A pod of its own behind a cable, a rule that makes the node track, an idle connection with keepalive both in IPv4 and
# IPv6, and one that the client has half closed. The reader comes when all of it stands.
_SETUP = """
set -e
ip link set lo up
nft 'table inet t { chain f { type filter hook output priority 0; ct state new accept; }; }'
unshare --net sleep 600 &
pod=$!
until [ "$(readlink /proc/$pod/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do :; done
ip link add veth0 type veth peer name eth0 netns $pod
ip address add 10.9.0.1/24 dev veth0
ip address add fd09::1/64 dev veth0 nodad
ip link set veth0 up
inside() { nsenter --net=/proc/$pod/ns/net "$@"; }
inside ip link set lo up
inside ip address add 10.9.0.2/24 dev eth0
inside ip address add fd09::2/64 dev eth0 nodad
inside ip link set eth0 up
inside sh -c 'echo 50000 50099 >/proc/sys/net/ipv4/ip_local_port_range'
mkfifo "$fifo" "$fifo.client"
inside python3 - >"$fifo" <<'END' &
import socket, time
servers = []
for family, address in ((socket.AF_INET, "10.9.0.2"), (socket.AF_INET6, "fd09::2")):
    server = socket.create_server((address, 8000), family=family)
    servers.append(server)
print("listening", flush=True)
kept = [server.accept()[0] for server in servers] + [servers[0].accept()[0]]
time.sleep(600)
END
exec 3<"$fifo"
read -r _ <&3
python3 - >"$fifo.client" <<'END' &
import socket, time
kept = []
for address in ("10.9.0.2", "fd09::2", "10.9.0.2"):
    client = socket.create_connection((address, 8000))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    kept.append(client)
kept[2].shutdown(socket.SHUT_WR)
print("connected", flush=True)
time.sleep(600)
END
exec 4<"$fifo.client"
read -r _ <&4
"""


def read(shell: str, folder: str, *, run: str = "", script: bytes | None = None) -> Connections | Unavailable:
    arguments = " ".join(connections_arguments(NONCE))
    command = f"fifo={folder}/fifo\n{_SETUP}\n{run} {' '.join(SHELLS[shell])} -s -- {arguments}"
    given = connections_script() if script is None else script
    done = subprocess.run([*_NODE, command], input=given, stdout=subprocess.PIPE, check=True, timeout=60)
    return parse_connections(done.stdout, nonce=NONCE, host="node-1")


@pytest.mark.root
@SHELL
def test_sockets_and_entries_of_all_namespaces_are_read(shell: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    seen = read(shell, str(tmp_path_factory.mktemp("fifo")))
    assert isinstance(seen, Connections)
    (pod,) = seen.pods
    assert (pod.listening, pod.first_port, pod.last_port) == ({8000}, 50000, 50099)
    v4, v6 = SocketAddress("10.9.0.2", 8000), SocketAddress("fd09::2", 8000)
    mine = {(socket.remote, socket.state) for socket in seen.own.sockets}
    assert mine == {(v4, "established"), (v6, "established"), (v4, "fin-wait-2")}
    keepalive = [socket.keepalive for socket in seen.own.sockets if socket.state == "established"]
    assert all(seconds is not None and 7000 < seconds <= 7200 for seconds in keepalive)
    theirs = {(socket.local, socket.state) for socket in pod.sockets}
    assert theirs == {(v4, "established"), (v6, "established"), (v4, "close-wait")}
    assert isinstance(seen.entries, tuple)
    by_ends = {(entry.source, entry.destination): entry for entry in seen.entries}
    for socket in seen.own.sockets:
        assert not by_ends[socket.local, socket.remote].is_translated
    assert seen.complete
    assert seen.began <= seen.ended


@pytest.mark.root
@pytest.mark.parametrize("awk", ["mawk", "gawk", "busybox"])
def test_any_awk_reads_them(awk: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    programs = tmp_path_factory.mktemp("programs")
    program = shutil.which(awk)
    assert program is not None
    (programs / "awk").symlink_to(program)
    seen = read("dash", str(tmp_path_factory.mktemp("fifo")), run=f'env PATH="{programs}:$PATH"')
    assert isinstance(seen, Connections)
    assert len(seen.own.sockets) == 3
    assert isinstance(seen.entries, tuple)
    assert {(socket.local, socket.remote) for socket in seen.own.sockets} <= {
        (entry.source, entry.destination) for entry in seen.entries
    }


@pytest.mark.root
@SHELL
def test_without_the_kernels_file_the_conntrack_program_tells_the_same(
    shell: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    script = connections_script().replace(b"/proc/net/nf_conntrack ", b"/proc/net/nf_conntrack_of_old_kernels ")
    assert script != connections_script()
    seen = read(shell, str(tmp_path_factory.mktemp("fifo")), script=script)
    assert isinstance(seen, Connections)
    assert isinstance(seen.entries, tuple)
    by_ends = {(entry.source, entry.destination): entry.state for entry in seen.entries}
    assert {by_ends[socket.local, socket.remote] for socket in seen.own.sockets} == {"ESTABLISHED", "CLOSE_WAIT"}


_INVALID = """
set -e
ip link set lo up
nft 'table inet t { chain i { type filter hook input priority 0; ct state invalid counter drop; }; }'
%s -A INPUT -m conntrack --ctstate INVALID -j DROP
python3 - <<'END'
import socket, struct
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
for _ in range(3):  # a RST of no connection
    raw.sendto(struct.pack("!HHIIBBHHH", 1, 2, 3, 4, 5 << 4, 4, 0, 0, 0), ("127.0.0.1", 0))
END
"""


@pytest.mark.root
@pytest.mark.parametrize("tool", ["iptables-nft", "iptables-legacy"])
@SHELL
def test_what_rules_dropped_is_read(shell: str, tool: str) -> None:
    command = f"{_INVALID % tool}\n{' '.join(SHELLS[shell])} -s -- {' '.join(connections_arguments(NONCE))}"
    done = subprocess.run([*_NODE, command], input=connections_script(), stdout=subprocess.PIPE, check=True, timeout=60)
    seen = parse_connections(done.stdout, nonce=NONCE, host="node-1")
    assert isinstance(seen, Connections)
    drops = {rule.split()[0]: count for rule, count in seen.invalid_drops.items()}
    assert drops.keys() == {"-A", "ct"}
    assert sum(drops.values()) == 3  # the first rule leaves none for the second


@pytest.mark.root
def test_without_root_it_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    user = "setpriv --reuid 65534 --regid 65534 --clear-groups --"
    assert read("dash", str(tmp_path_factory.mktemp("fifo")), run=user) == Unavailable(Reason.NEEDS_ROOT)


@SHELL
def test_script_that_was_cut_off_runs_nothing(shell: str) -> None:
    script = connections_script()
    last = script.rindex(b"{ connections")
    for end in (*range(0, last, 397), *range(last, len(script) - 2)):
        done = subprocess.run(
            [*SHELLS[shell], "-s", "--", *connections_arguments(NONCE)],
            input=script[:end],
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert done.stdout == b""
