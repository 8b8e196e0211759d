"""The parser of a node's connections."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.probe import NONCE

from fleet.facts.connections import connections_arguments, parse_connections
from fleet.model.connections import Connections, PortUse, SocketAddress, TcpSocket, TrackedConnection
from fleet.model.errors import ProtocolError
from fleet.model.facts import Reason, Unavailable

MARK = NONCE.encode()
NAMESPACES = b"seen 12\n500 77 4026532001 nginx\n600 88 4026532002 gone\n700 99 4026532003 more\n"
UID = b"11111111-2222-3333-4444-555555555555"
CGROUPS = MARK + b"=pid 77\n0::/kubepods.slice/pod" + UID + b"/x\n" + MARK + b"=pid 88\n"
SNMP = b"Tcp: OutRsts EstabResets\nTcp: 3 4\nTcpExt: ListenOverflows\nTcpExt: 5\n"
COUNTERS = MARK + b"=pid self\n" + SNMP + MARK + b"=pid 77\n" + SNMP + MARK + b"=pid 88\n"
SOCKETS = b"""began 100.50
range self 32768 60999
reserved self
reuse self 2
listen self 22
range 77 40000 40049
reserved 77 40000,40010-40012
reuse 77 1
listen 77 9000
socket 77 10.0.1.2 40001 10.96.0.10 80 01 2 1500 4711
socket 77 fd00:0000:0000:0000:0000:0000:0000:0002 9000 fd00:0000:0000:0000:0000:0000:0000:0003 5000 05 0 0 0
used 77 10.96.0.10 80 50 48
entry ESTABLISHED 86399 10.0.1.2 40001 10.96.0.10 80 10.0.2.2 9000 10.0.1.2 40001
service 10.96.0.10 80
ipvs 10.0.1.2 40001 10.96.0.10 80
ended 101.25
done
"""
RULES = b"""7 -A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
9 ct state invalid counter packets 9 bytes 500 drop
"""


def answer(
    *,
    namespaces: bytes = NAMESPACES,
    counters: bytes = COUNTERS,
    table: bytes = b"/proc/net/nf_conntrack\n",
    rules: bytes = RULES,
    sockets: bytes = SOCKETS,
) -> bytes:
    sections = (
        (b"namespaces", namespaces),
        (b"cgroups", CGROUPS),
        (b"counters", counters),
        (b"table", table),
        (b"rules", rules),
        (b"sockets", sockets),
        (b"end", b""),
    )
    return MARK + b" fleet-connections 1\n" + b"".join(b"\n%s %s\n%s" % (MARK, *section) for section in sections)


def parse(raw: bytes) -> Connections | Unavailable:
    return parse_connections(raw, nonce=NONCE, host="node-1")


def read(raw: bytes) -> Connections:
    found = parse(raw)
    assert isinstance(found, Connections)
    return found


def test_connections_are_read() -> None:
    seen = read(answer())
    assert (seen.began, seen.ended, seen.complete, seen.unread) == (100.5, 101.25, True, 1)
    assert seen.invalid_drops == {
        "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP": 7,
        "ct state invalid counter drop": 9,
    }
    assert seen.own.listening == {22}
    assert seen.own.counters == {"TcpOutRsts": 3, "TcpEstabResets": 4, "TcpExtListenOverflows": 5}
    client, service, server = (
        SocketAddress("10.0.1.2", 40001),
        SocketAddress("10.96.0.10", 80),
        SocketAddress("10.0.2.2", 9000),
    )
    (pod,) = seen.pods  # the other has ended
    assert (pod.inode, pod.name, pod.pod) == (4026532001, "nginx", UID.decode())
    assert (pod.first_port, pod.last_port, pod.reserved_ports, pod.reuses_waiting) == (
        40000,
        40049,
        "40000,40010-40012",
        True,
    )
    assert pod.ports == (PortUse(destination=service, used=50, waiting=48),)
    assert pod.sockets == (
        TcpSocket(local=client, remote=service, state="established", keepalive=15.0, owned=True),
        TcpSocket(
            local=SocketAddress("fd00::2", 9000),
            remote=SocketAddress("fd00::3", 5000),
            state="fin-wait-2",
            keepalive=None,
            owned=False,
        ),
    )
    assert seen.entries == (
        TrackedConnection(
            state="ESTABLISHED",
            expires=86399,
            source=client,
            destination=service,
            answers_from=server,
            answers_to=client,
        ),
    )
    assert seen.entries[0].is_translated
    assert (seen.services, seen.ipvs) == ({service}, {(client, service)})


def test_bounds_are_told() -> None:
    assert not read(answer(sockets=SOCKETS.replace(b"done", b"more\ndone"))).complete


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (b"- absent\n", Reason.NOT_LOADED),
        (b"- large 900000\n", Reason.IMPOSSIBLE),
        (b"- missing conntrack\n", Reason.NOT_INSTALLED),
    ],
)
def test_a_table_that_was_not_read_says_why(table: bytes, reason: Reason) -> None:
    entries = read(answer(table=table)).entries
    assert isinstance(entries, Unavailable)
    assert entries.reason is reason


def test_a_refusal_says_why() -> None:
    raw = MARK + b" fleet-connections 1\n\n" + MARK + b" refused\nroot\n\n" + MARK + b" end\n"
    assert parse(raw) == Unavailable(Reason.NEEDS_ROOT)


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (answer(sockets=SOCKETS.replace(b"done\n", b"")), "needs a working awk"),
        (answer(sockets=SOCKETS.replace(b"began 100.50\n", b"")), "no time since the boot"),
        (answer(sockets=SOCKETS.replace(b"10.0.2.2", b"10.0.2.256")), "not an address"),
        (answer(sockets=SOCKETS.replace(b" 40001 10.96", b" 70001 10.96")), "not a port"),
        (answer(sockets=SOCKETS.replace(b"ESTABLISHED", b"\x1b[31m")), "an unknown state"),
        (answer(sockets=SOCKETS.replace(b"80 01 2", b"80 0C 2")), "an unfinished socket"),
        (answer(sockets=b"what is this\n" + SOCKETS), "an unknown line about connections"),
        (answer(sockets=SOCKETS.replace(b"socket 77", b"socket 66")), "sockets of a namespace without counters"),
        (
            answer(counters=COUNTERS.replace(b"pid 77", b"pid 66"), sockets=b"began 1.0\nended 1.0\ndone\n"),
            "not listed",
        ),
        (answer(namespaces=b"\n"), "an unfinished list of namespaces"),
        (answer(table=b"- strange\n"), "an unknown table"),
        (answer()[:-8], "cut off after"),
    ],
)
def test_other_answers_are_refused(raw: bytes, told: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse(raw)
    assert told in str(caught.value)


@settings(max_examples=150)
@given(st.data())
def test_mutated_answer_is_parsed_or_refused_but_nothing_else(data: st.DataObject) -> None:
    raw = bytearray(answer())
    for _ in range(data.draw(st.integers(min_value=1, max_value=6))):
        start = data.draw(st.integers(min_value=0, max_value=len(raw)))
        end = start + data.draw(st.integers(min_value=0, max_value=30))
        pieces = [MARK, MARK + b"=pid ", b"entry ", b"socket 77 ", b"\n", b"\0", b"9" * 30, b"-1", b"\x1b"]
        raw[start:end] = data.draw(st.binary(max_size=10) | st.sampled_from(pieces))
    with suppress(ProtocolError):
        parse(bytes(raw))


def test_arguments_need_no_quotes() -> None:
    assert connections_arguments(NONCE) == (NONCE, "200", "300000", "20000")
    with pytest.raises(ValueError, match="nonce"):
        connections_arguments("$(reboot)")
