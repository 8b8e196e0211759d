"""Answers that are not the probe's, or not whole."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.probe import NONCE, captured

from fleet.facts import parse_answer
from fleet.model.errors import ProtocolError

WHOLE = captured("dash-root")
MARK = NONCE.encode()


def message(answer: bytes) -> str:
    with pytest.raises(ProtocolError) as raised:
        parse_answer(answer, nonce=NONCE, host="node-1")
    shown = str(raised.value)
    assert shown.isprintable()
    assert len(shown) < 400
    return shown


def test_silence_is_told_as_such() -> None:
    assert "without an answer" in message(b"")


def test_noise_before_the_answer_is_shown_safely() -> None:
    shown = message(b"\x1b[2JWelcome\r\n" + WHOLE)
    assert "printed 13 bytes before the probe's answer: '\\x1b[2JWelcome" in shown
    assert ".bashrc" in shown


def test_noise_after_the_answer_is_shown_safely() -> None:
    assert "printed more after the probe's answer: 'bye\\x07'" in message(WHOLE + b"bye\x07\n")


@pytest.mark.parametrize(
    "answer",
    [
        b"This account is currently not available.\n",
        f"rbash: line 1: sh -s -- {NONCE}: restricted\n".encode(),
        b"\xff\xfe\x9b31m" * 1000,
        b"y\n" * 5_000_000,
    ],
)
def test_foreign_answer_is_named_with_its_first_bytes(answer: bytes) -> None:
    assert "did not run the probe" in message(answer)


def test_other_nonce_is_foreign() -> None:
    assert "did not run the probe" in message(WHOLE.replace(MARK, b"f" * 32))


def test_other_version_is_named() -> None:
    assert "version '2'" in message(WHOLE.replace(b"fleet-facts 1", b"fleet-facts 2", 1))


@settings(max_examples=200)
@given(st.integers(min_value=1, max_value=len(WHOLE) - 6))
def test_cut_off_answer_is_told_with_its_length(length: int) -> None:
    assert f"cut off after {length} bytes" in message(WHOLE[:length])


def test_repeated_section_is_refused() -> None:
    frame = b"\n" + MARK + b" host\n"
    assert "sections" in message(WHOLE.replace(frame, frame * 2, 1))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"uid 0\n", b"uid zero\n"),
        (b"uid 0\n", b"uid " + b"9" * 5000 + b"\n"),
        (b"uid 0\n", b""),
        (b"=value w /proc/sys/net/ipv4/tcp_fin", b"=value w /etc/shadow/net/ipv4/tcp_fin"),
        (b"=value w ", b"=velue w "),
        (b"=file /etc/sysctl.conf", b"=file etc/sysctl.conf"),
        (b"=file /etc/sysctl.conf", b"=directory /etc/sysctl.conf"),
        (b"slab 256", b"slab 0x100"),
        (b"\nread nft", b"\nread nft\nformat /dev/sda"),
        (b"=value w /proc/sys/net/ipv4/tcp_fin", b"=value"),
        (b"\nconfig /etc/k3s.yaml", b"\nconfag /etc/k3s.yaml"),
        (b"program sysctl /sbin/sysctl", b"program sysctl /tmp/sysctl"),
        (b"program sysctl /sbin/sysctl", b"program sysctl /sbin/sysctl; reboot"),
        (b"program sysctl /sbin/sysctl", b"program sysctl /sbin/modprobe"),
    ],
)
def test_malformed_part_is_refused(before: bytes, after: bytes) -> None:
    assert before in WHOLE
    assert "the probe does not print" in message(WHOLE.replace(before, after, 1))


def test_more_files_than_the_probe_lists_are_refused() -> None:
    frame = b"\n" + MARK + b" files\n"
    unreadable = b"".join(MARK + b"=unreadable /etc/sysctl.d/%d.conf" % number for number in range(2000))
    assert "more than 500 files" in message(WHOLE.replace(frame, frame + unreadable, 1))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_mutated_answer_is_parsed_or_refused_but_nothing_else(data: st.DataObject) -> None:
    answer = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(min_value=1, max_value=8))):
        start = data.draw(st.integers(min_value=0, max_value=len(answer)))
        end = start + data.draw(st.integers(min_value=0, max_value=40))
        answer[start:end] = data.draw(
            st.one_of(
                st.binary(max_size=20),
                st.sampled_from([MARK, MARK + b"=", MARK + b"=\0", b"\n" + MARK + b" end\n", b"\0", b"\n", b"9" * 30]),
            )
        )
    with suppress(ProtocolError):
        parse_answer(bytes(answer), nonce=NONCE, host="node-1")
