"""Each way in which a connection is reset, as a capture on the node shows it."""

from collections.abc import Iterable
from io import BytesIO

import pytest
from support.packets import ACK, FIN, PSH, RST, SYN, pcap, tcp

from fleet.diagnose.capture import judge_capture, read_capture
from fleet.model.diagnosis import CauseVerdict

AT = 1795176000.0
CLIENT, SERVICE, POD, OTHER_POD = "10.0.1.2:40000", "10.96.0.10:80", "10.0.2.2:9000", "10.0.2.3:9000"
C0, S0 = 1000, 2**32 - 100  # the server's numbers wrap
WINDOW = 500 << 7
Packets = list[bytes]


def out(flags: int, *, to: str = POD, seq: int, ack: int = 0, data: bytes = b"") -> Packets:
    """What the client sends, before and after the node translates it."""
    scale = 7 if flags & SYN else None
    return [tcp(CLIENT, end, flags, seq=seq, ack=ack, data=data, scale=scale) for end in (SERVICE, to)]


def into(flags: int, *, seq: int, ack: int, data: bytes = b"") -> Packets:
    """What the pod sends, before and after the node translates it."""
    scale = 7 if flags & SYN else None
    return [tcp(end, CLIENT, flags, seq=seq, ack=ack, data=data, scale=scale) for end in (POD, SERVICE)]


def stray(*, above: int, data: bytes = b"late") -> bytes:
    """A segment of the pod that was not translated."""
    return tcp(POD, CLIENT, ACK, seq=S0 + 6 + above, ack=C0 + 6, data=data)


SHAKEN = [
    *out(SYN, seq=C0),
    *into(SYN | ACK, seq=S0, ack=C0 + 1),
    *out(ACK, seq=C0 + 1, ack=S0 + 1),
]
TALKED = [
    *SHAKEN,
    *out(ACK | PSH, seq=C0 + 1, ack=S0 + 1, data=b"hello"),
    *into(ACK | PSH, seq=S0 + 1, ack=C0 + 6, data=b"hello"),
    *out(ACK, seq=C0 + 6, ack=S0 + 6),
]
ANSWER = tcp(CLIENT, POD, RST, seq=C0 + 6)
CLOSED = out(FIN | ACK, seq=C0 + 6, ack=S0 + 6)


def judge(packets: Iterable[bytes], *, every: float = 0.01) -> dict[str, CauseVerdict]:
    file = BytesIO(pcap([(AT + number * every, each) for number, each in enumerate(packets)]))
    return {each.cause: each for each in judge_capture(read_capture(file))}


def told(packets: Iterable[bytes], *, every: float = 0.01) -> dict[str, str]:
    return {cause: each.verdict for cause, each in judge(packets, every=every).items() if each.verdict != "excluded"}


@pytest.mark.parametrize(
    ("packets", "expected"),
    [
        ([], None),
        (TALKED, {}),
        ([*TALKED, stray(above=2**30), ANSWER], {"invalid-segment": "confirmed"}),
        ([*TALKED, stray(above=2 * WINDOW + 1), ANSWER], {"invalid-segment": "confirmed"}),
        ([*TALKED, stray(above=-WINDOW - 1), ANSWER], {"invalid-segment": "confirmed"}),  # before Linux 5.14
        ([*TALKED, stray(above=0), ANSWER], {"entry-lost": "confirmed"}),
        ([*TALKED, stray(above=-1, data=b""), ANSWER], {"entry-lost": "confirmed"}),  # a keepalive of the server
        ([*TALKED, stray(above=WINDOW + 1), ANSWER], {"captured-resets": "cannot tell"}),
        (
            [
                *TALKED,
                *CLOSED,
                tcp(POD, CLIENT, ACK, seq=S0 + 6, ack=C0 + 7, data=b"x"),
                tcp(CLIENT, POD, RST, seq=C0 + 7),
            ],
            {"half-closed": "confirmed"},
        ),
        # The client's own RST, which the node translates: nothing came from where it never dialled.
        ([*TALKED, *out(RST | ACK, seq=C0 + 6, ack=S0 + 6)], {"application-reset": "likely"}),
        (
            [*TALKED, *CLOSED, *into(ACK, seq=S0 + 6, ack=C0 + 7, data=b"x"), *out(RST, seq=C0 + 7)],
            {"application-reset": "likely"},
        ),
        ([*TALKED, *into(RST | ACK, seq=S0 + 6, ack=C0 + 6)], {"application-reset": "likely"}),
        ([*SHAKEN, *out(RST | ACK, seq=C0 + 1, ack=S0 + 1)], {"captured-resets": "cannot tell"}),  # once: no interval
        ([*out(SYN, seq=C0), *into(RST | ACK, seq=0, ack=C0 + 1)], {"refused": "confirmed"}),
        (
            [
                *TALKED,
                *out(ACK, to=OTHER_POD, seq=C0 + 6, ack=S0 + 6, data=b"more"),
                tcp(OTHER_POD, CLIENT, RST, seq=S0 + 6),
                tcp(SERVICE, CLIENT, RST, seq=S0 + 6),
            ],
            {"entry-lost": "confirmed"},
        ),
        # Who joins late sees too little.
        ([stray(above=2**30), ANSWER], {"captured-resets": "cannot tell"}),
        ([tcp(CLIENT, SERVICE, RST | ACK, seq=5)], {"captured-resets": "cannot tell"}),
        ([*out(ACK, seq=C0 + 6, ack=S0 + 6), stray(above=0), ANSWER], {"captured-resets": "cannot tell"}),
    ],
)
def test_what_a_reset_answers(packets: Packets, expected: dict[str, str] | None) -> None:
    found = told(packets)
    if expected is None:
        assert set(found.values()) == {"cannot tell"}
    else:
        assert found == expected


def test_the_evidence_names_who_reset_what_and_that_it_was_never_dialled() -> None:
    found = judge([*TALKED, stray(above=2**30), ANSWER])["invalid-segment"]
    assert found.evidence[0] == (
        "1 connection to 10.96.0.10:80 reset by 10.0.1.2 after a segment out of the window, at 12:00:00, answered by a"
        " client that never dialled that address"
    )


def test_what_follows_the_end_of_a_connection_is_not_told_again() -> None:
    after = [*out(ACK, seq=C0 + 6, ack=S0 + 6, data=b"more"), tcp(POD, CLIENT, RST, seq=S0 + 6)]
    packets = [*TALKED, stray(above=2**30), ANSWER, ANSWER, *after]
    assert told(packets) == {"invalid-segment": "confirmed"}
    # Neither is the same segment on another interface, and a port that is used once more is another connection.
    again = [tcp(CLIENT, end, SYN, seq=C0 + 10**6, scale=7) for end in (SERVICE, POD)]
    found = judge([*packets, *again, tcp(POD, CLIENT, RST | ACK, ack=C0 + 10**6 + 1)])
    assert found["refused"].verdict == "confirmed"


def test_a_client_on_the_node_itself_is_seen_translated_only() -> None:
    packets = [each for each in TALKED if "10.96.0.10" not in ends(each)]
    assert told([*packets, stray(above=2**30), ANSWER]) == {"invalid-segment": "likely"}
    # A segment that is in the window says nothing there: a process that has gone answers it in the same way.
    assert told([*packets, stray(above=0), ANSWER]) == {"captured-resets": "cannot tell"}


def ends(packet: bytes) -> tuple[str, str]:
    return ".".join(map(str, packet[12:16])), ".".join(map(str, packet[16:20]))


def test_a_peer_that_acknowledges_nothing_is_silent_and_not_an_application() -> None:
    probe = tcp(CLIENT, SERVICE, ACK, seq=C0 + 5, ack=S0 + 6)
    assert told([*TALKED, probe, probe, tcp(CLIENT, SERVICE, RST | ACK, seq=C0 + 6)], every=1) == {
        "silent-peer": "likely"
    }
    assert told([*TALKED, tcp(CLIENT, SERVICE, RST | ACK, seq=C0 + 6)], every=1) == {"application-reset": "likely"}


def connects(number: int) -> Packets:
    mine = f"10.0.1.2:{50000 + number}"
    return [
        tcp(mine, SERVICE, SYN, seq=C0, scale=7),
        tcp(SERVICE, mine, SYN | ACK, seq=S0, ack=C0 + 1, scale=7),
        tcp(mine, SERVICE, RST | ACK, seq=C0 + 1, ack=S0 + 1),
    ]


def test_regular_empty_connections_are_a_health_check() -> None:
    found = judge([each for number in range(6) for each in connects(number)], every=1)
    assert found["health-check"].verdict == "likely"
    assert "6 connections to 10.96.0.10:80 reset by 10.0.1.2" in found["health-check"].evidence[0]
    assert found["health-check"].evidence[0].endswith("every 3.0 s")
    assert found["captured-resets"].verdict == "excluded"


def test_real_resets_are_told_beside_a_health_check() -> None:
    checks = [each for number in range(6) for each in connects(number)]
    found = told([*checks, *TALKED, stray(above=2**30), ANSWER], every=1)
    assert found == {"health-check": "likely", "invalid-segment": "confirmed"}
