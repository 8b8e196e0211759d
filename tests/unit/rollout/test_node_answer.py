"""What a node says is read strictly, and nothing of it is printed raw."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.node import NONCE

from fleet.model.errors import ProtocolError
from fleet.model.rollout import ChangeResult, RunError
from fleet.rollout.node import NodeAnswer, parse_node_answer

N = NONCE.encode()
ANSWER = b"""\
NONCE fleet-node 1

NONCE outcome
outcome undone
error refused net.ipv4.x did not take 3: Invalid argument
run 20261121T000000Z-abcdef
who ops@desk
since 2026-11-21T00:00:00Z
left 12

NONCE changes
NONCE=sysctl net.ipv4.ip_local_reserved_ports
changed

=
NONCE=file /etc/sysctl.d/a b.conf
noop
it was so already


NONCE moved
net.ipv4.x was 1 when the plan was made, and is 2 now

NONCE notes
the module x stays loaded: it is in use
second

NONCE end
""".replace(b"NONCE", N)


def parse(answer: bytes) -> NodeAnswer:
    return parse_node_answer(answer, nonce=NONCE, host="node-1")


def test_everything_that_a_node_says_is_read() -> None:
    assert parse(ANSWER) == NodeAnswer(
        outcome="undone",
        changes=(
            ChangeResult(kind="sysctl", target="net.ipv4.ip_local_reserved_ports", status="changed", read_back=""),
            ChangeResult(kind="file", target="/etc/sysctl.d/a b.conf", status="noop", reason="it was so already"),
        ),
        error=RunError(kind="refused", message="net.ipv4.x did not take 3: Invalid argument"),
        moved=("net.ipv4.x was 1 when the plan was made, and is 2 now",),
        undo_in=12.0,
        run="20261121T000000Z-abcdef",
        who="ops@desk",
        since="2026-11-21T00:00:00Z",
        notes=("the module x stays loaded: it is in use", "second"),
    )


@pytest.mark.parametrize("cut", [0, 10, 40, 200, len(ANSWER) - 40])
def test_an_answer_that_was_cut_off_is_no_answer(cut: int) -> None:
    with pytest.raises(ProtocolError):
        parse(ANSWER[:cut])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"outcome undone", b"outcome gone"),
        (b"outcome undone\n", b""),
        (b"left 12", b"left -1"),
        (b"left 12", b"left 1e9"),
        (b"left 12", b"left 12\nleft 13"),
        (b"who ops", b"whose ops"),
        (b"error refused", b"error \x1b[2J"),
        (b"\nchanged\n\n=\n", b"\nchanged\n"),
        (b"\nchanged\n", b"\nmade\n"),
        (b"=sysctl net", b"=SYS net"),
        (b"changed\n\n=", b"changed\n\nx"),
        (b" changes\n", b" moves\n"),
        (b"fleet-node 1", b"fleet-node 2"),
        (b"fleet-node", b"fleet-facts"),
    ],
)
def test_what_the_program_does_not_print_is_refused(old: bytes, new: bytes) -> None:
    assert old in ANSWER
    with pytest.raises(ProtocolError):
        parse(ANSWER.replace(old, new, 1))


def test_text_of_the_node_cannot_steer_the_terminal() -> None:
    answer = parse(ANSWER.replace(b"ops@desk", b"\x1b[2Jops\xff").replace(b"it was so already", b"\x07bell"))
    assert answer.who == "\\x1b[2Jops\\xff"
    assert answer.changes[1].reason == "\\x07bell"


@given(st.binary(max_size=300), st.integers(0, len(ANSWER)))
def test_any_bytes_give_an_answer_or_a_protocol_error(noise: bytes, place: int) -> None:
    with suppress(ProtocolError):
        parse(ANSWER[:place] + noise + ANSWER[place:])
