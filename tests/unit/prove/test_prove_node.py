"""A node's answer to the proof is not trusted, and what it lacks is named."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.probe import NONCE

import fleet.prove.node as node_module
from fleet.model.connection import Completed, Endpoint
from fleet.model.errors import ProtocolError
from fleet.prove import SCENARIOS, Answer, Node, cell_request, on_node
from fleet.prove.answer import read_answers
from fleet.transport import Command, FakeTransport

REQUEST = cell_request(SCENARIOS["above-window"], "before", Node(), runs=2)
GOOD = {"outcomes": {"alive": 2}, "kernel": "6.1.0-18-amd64", "refused": {}}
PREFIX = NONCE.encode() + b" "


@pytest.fixture(autouse=True)
def _known_nonce(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_module, "token_hex", lambda _: NONCE)


def measured(stdout: bytes, stderr: bytes = b"", status: int = 0) -> tuple[list[Answer], Command]:
    transport = FakeTransport({"n1": Completed(exit_status=status, stdout=stdout, stderr=stderr)})
    connection = transport.open(Endpoint(name="n1", address="192.0.2.1"))
    answers = on_node("n1", connection, within=30).measure([REQUEST])
    ((_, command),) = transport.commands
    return answers, command


def line(*answers: object) -> bytes:
    return PREFIX + json.dumps(answers).encode() + b"\n"


def test_the_answer_is_found_between_whatever_else_the_node_prints() -> None:
    answers, _ = measured(b"Welcome!\n" + NONCE[:-1].encode() + b" [{}]\n" + line(GOOD) + b"bye\n")
    assert [answer.outcomes for answer in answers] == [{"alive": 2}]


def test_the_node_is_asked_once_as_root_with_a_limit_there_and_here() -> None:
    _, command = measured(line(GOOD))
    assert (command.become, command.keep_stdin, command.timeout) == (True, True, 30)
    assert command.arguments[:8] == (
        *("env", "-i", f"PATH={node_module.SEARCH_PATH}", "LC_ALL=C"),
        *("timeout", "-s", "KILL", "40"),
    )
    assert not any("\n" in word or "'" in word or "!" in word for word in command.arguments)
    assert [json.loads(each) for each in command.stdin.splitlines()][2] == [REQUEST]


HOSTILE: dict[str, Any] = {
    "another word": GOOD | {"outcomes": {"fine": 2}},
    "too few connections": GOOD | {"outcomes": {"alive": 1}},
    "no connection": GOOD | {"outcomes": {}},
    "a negative count": GOOD | {"outcomes": {"alive": 3, "reset": -1}},
    "a huge count": GOOD | {"outcomes": {"alive": 1 << 80}},
    "a text for a count": GOOD | {"outcomes": {"alive": "2"}},
    "no kernel": {"outcomes": {"alive": 2}},
    "no release": GOOD | {"kernel": "\x1b[2J"},
    "one thing more": GOOD | {"command": "reboot"},
    "too many counters": GOOD | {"counters": {"node": {f"c{number}": 1 for number in range(2000)}}},
}


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
def test_an_answer_that_is_none_is_refused(answer: object) -> None:
    with pytest.raises(ProtocolError, match="the answer of the proof is not one: "):
        measured(line(answer))


@pytest.mark.parametrize(
    "stdout", [line(), line(GOOD, GOOD), PREFIX, PREFIX + b"[" * 100_000, PREFIX + b"\xff\xfe", line(GOOD)[:-9]]
)
def test_a_line_that_is_no_answer_to_what_was_asked_is_refused(stdout: bytes) -> None:
    with pytest.raises(ProtocolError, match="the answer of the proof is not one: "):
        measured(stdout)


def test_control_characters_of_a_node_do_not_reach_a_terminal() -> None:
    hostile = "\x1b[31m\u202eevil"
    told = GOOD | {"seen": {hostile: 1}, "notes": {hostile: hostile}, "refused": {hostile: "x" * 9000}}
    ((answer,), _) = measured(line(told))
    assert list(answer.seen) == ["\\x1b[31m\\u202eevil"]
    assert answer.notes == {"\\x1b[31m\\u202eevil": "\\x1b[31m\\u202eevil"}
    assert all(len(text) <= 400 for text in answer.refused.values())
    with pytest.raises(ProtocolError) as refused:
        measured(line({"error": hostile}))
    assert str(refused.value).isprintable()


@given(st.binary(max_size=300))
def test_any_bytes_are_an_answer_or_a_value_error(text: bytes) -> None:
    try:
        read_answers(text, [REQUEST])
    except ValueError:
        return
    raise AssertionError("random bytes are no answer to two connections")


@pytest.mark.parametrize(
    ("stderr", "status", "told"),
    [
        ("env: 'timeout': No such file or directory", 127, "timeout is not installed on this node: install coreutils"),
        (
            "timeout: failed to run command 'unshare': No such file or directory",
            127,
            "unshare is not installed on this node: install util-linux there",
        ),
        (
            "unshare: failed to execute python3: No such file or directory",
            127,
            "python3 is not installed on this node: install it there, or prove it in pods: fleet prove --kubernetes",
        ),
        (
            "unshare: unshare failed: Operation not permitted",
            1,
            "the proof may not make namespaces on this node: unshare: unshare failed: Operation not permitted: log in",
        ),
        ("a\n\x1b[2Jno", 7, r"the proof did not answer; it said \x1b[2Jno: see what the login shell"),
        ("", 7, "the proof did not answer; it said nothing, and ended with status 7: see"),
    ],
)
def test_a_node_on_which_it_does_not_run_is_told_why(stderr: str, status: int, told: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        measured(b"", stderr.encode(), status)
    assert str(refused.value).startswith(told)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("nft is not installed", "nft is not installed: install nftables there"),
        ("python3 is 3.6.8, and 3.9 is the oldest that will do", "the oldest that will do: install it there, or prove"),
        ("nft refuses: no", "nft refuses: no: "),
    ],
)
def test_what_the_programs_lack_is_told_with_what_to_do(error: str, told: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        measured(line({"error": error}))
    assert "the proof cannot run on this node: " in str(refused.value)
    assert told in str(refused.value)
