"""The parser of a node's counters."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.counters import BOOT, NOT_LOADED, PROC, answer
from support.probe import NONCE

from fleet.facts.counters import counters_arguments, parse_counters_answer
from fleet.model.counters import Counters
from fleet.model.errors import ProtocolError
from fleet.model.facts import Reason, Unavailable


def parse(raw: bytes) -> Counters:
    return parse_counters_answer(raw, nonce=NONCE, host="node-1")


def test_counters_are_read() -> None:
    assert parse(answer()) == Counters(
        boot_id=BOOT,
        uptime=1000.5,
        counters={
            "TcpActiveOpens": 5,
            "TcpEstabResets": 7,
            "TcpRetransSegs": 11,
            "TcpOutRsts": 13,
            "TcpExtTCPAbortOnData": 17,
        },
        sockets={
            "sockets": {"used": 70},
            "TCP": {"inuse": 5, "orphan": 0, "tw": 12, "alloc": 9, "mem": 1},
            "TCP6": {"inuse": 3},
        },
        conntrack={"found": 0, "invalid": 12, "drop": 1},
        entries=100,
        most=262_144,
    )


def test_node_without_connection_tracking_has_the_rest() -> None:
    seen = parse(answer({path: content for path, content in PROC.items() if "conntrack" not in path}))
    assert (seen.conntrack, seen.entries, seen.most) == (NOT_LOADED, NOT_LOADED, NOT_LOADED)
    assert seen.counters["TcpOutRsts"] == 13


@pytest.mark.parametrize("empty", [True, False], ids=["empty", "refused"])
def test_file_that_cannot_be_read_is_told_from_one_that_is_not_there(*, empty: bool) -> None:
    path = "/proc/net/stat/nf_conntrack"
    files = {**PROC, path: b""} if empty else {each: PROC[each] for each in PROC if each != path}
    seen = parse(answer(files, refused=() if empty else (path,)))
    assert seen.conntrack == Unavailable(Reason.UNREADABLE, path)


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (answer(end=b"more"), "cut off after"),
        (answer({**PROC, "/proc/uptime": b""}), "no time since the boot"),
        (answer({**PROC, "/proc/uptime": b"soon"}), "no time since the boot: 'soon'"),
        (answer({path: PROC[path] for path in PROC if path != "/proc/uptime"}), "no time since the boot"),
        (answer({**PROC, "/proc/sys/net/netfilter/nf_conntrack_max": b"many\n"}), "not a number: 'many'"),
        (answer().replace(b"=\0", b"", 1), "8 contents of 9 files: the node needs working env and cat"),
        (answer().replace(b"fleet-counters", b"fleet-facts"), "did not run the probe"),
        (b"restricted shell\n", "did not run the probe"),
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
    mark = NONCE.encode()
    for _ in range(data.draw(st.integers(min_value=1, max_value=6))):
        start = data.draw(st.integers(min_value=0, max_value=len(raw)))
        end = start + data.draw(st.integers(min_value=0, max_value=30))
        pieces = [mark, mark + b"=\0", b"read ", b"read", b"\n", b"\0", b"9" * 30, b"-1", b"\x1b"]
        raw[start:end] = data.draw(st.binary(max_size=10) | st.sampled_from(pieces))
    with suppress(ProtocolError):
        parse(bytes(raw))


def test_nonce_is_the_only_argument() -> None:
    assert counters_arguments(NONCE) == (NONCE,)
    with pytest.raises(ValueError, match="nonce"):
        counters_arguments("$(reboot)")
