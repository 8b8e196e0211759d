"""The parser of a rehearsal's answer, and the script as it is sent."""

import shutil
import subprocess
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.probe import NONCE, SHELLS

from fleet.facts.rehearsal import parse_rehearsal, rehearsal_arguments, rehearsal_script
from fleet.kernel.rehearsal import REHEARSED_KEYS
from fleet.model.errors import ProtocolError
from fleet.model.facts import Reason, Unavailable
from fleet.model.rehearsal import Rehearsal

MARK = NONCE.encode()
TOOL = b"/usr/lib/systemd/systemd-sysctl"
FIN = "net.ipv4.tcp_fin_timeout"
RESERVED = "net.ipv4.ip_local_reserved_ports"
SAID = b"Couldn't write '9' to 'net/ipv4/tcp_tw_reuse': Invalid argument\n"


def answer(**changes: bytes) -> bytes:
    """A whole answer with two keys, of which a test changes a section."""
    sections = {
        "keys": b"net/ipv4/tcp_fin_timeout\nnet/ipv4/ip_local_reserved_ports\n",
        "before": contents(b"60\n", b"\n"),
        "tool": TOOL + b"\nsystemd 252 (252.38-1~deb12u1)\n+PAM +AUDIT\n",
        "output": SAID,
        "status": b"1\n",
        "after": contents(b"30\n", b"30000-32767\t\n"),
        "end": b"",
    }
    return joined(**{**sections, **changes})


def joined(**sections: bytes) -> bytes:
    parts = (b"\n%s %s\n%s" % (MARK, name.encode(), body) for name, body in sections.items())
    return MARK + b" fleet-rehearsal 1\n" + b"".join(parts)


def contents(*values: bytes) -> bytes:
    return b"".join(value + MARK + b"=\0" for value in values)


def parse(raw: bytes) -> Rehearsal | Unavailable:
    return parse_rehearsal(raw, nonce=NONCE, host="node-1")


def test_whole_answer_is_read() -> None:
    assert parse(answer()) == Rehearsal(
        tool=TOOL.decode(),
        version="systemd 252 (252.38-1~deb12u1)",
        status=1,
        output=("Couldn't write '9' to 'net/ipv4/tcp_tw_reuse': Invalid argument",),
        before={FIN: "60", RESERVED: ""},
        after={FIN: "30", RESERVED: "30000-32767"},
    )


def test_key_that_could_not_be_read_is_left_out() -> None:
    seen = parse(answer(after=contents(b"", b"\n")))
    assert isinstance(seen, Rehearsal)
    assert seen.after == {RESERVED: ""}


def test_output_is_bounded_and_safe_to_show() -> None:
    seen = parse(answer(output=b"\x1b[2J" + b"x" * 9000 + b"\n" + b"more\n" * 5000))
    assert isinstance(seen, Rehearsal)
    assert len(seen.output) == 40
    assert all(line.isprintable() and len(line) <= 200 for line in seen.output)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"root", Unavailable(Reason.NEEDS_ROOT)),
        (b"missing unshare", Unavailable(Reason.NOT_INSTALLED, "unshare")),
        (
            b"impossible unshare: unshare failed:\n  Operation not permitted\x07",
            Unavailable(Reason.IMPOSSIBLE, "unshare: unshare failed: Operation not permitted\\x07"),
        ),
    ],
)
@pytest.mark.parametrize("done", [{}, {"keys": b"net/ipv4/tcp_fin_timeout\n", "before": contents(b"60\n")}])
def test_refusal_says_why_however_far_it_came(said: bytes, expected: Unavailable, done: dict[str, bytes]) -> None:
    assert parse(joined(**done, refused=said + b"\n", end=b"")) == expected


def test_tool_that_was_killed_or_never_ran_is_no_rehearsal() -> None:
    assert parse(answer(status=b"137\n")) == Unavailable(Reason.IMPOSSIBLE, f"{TOOL.decode()} did not come to its end")
    seen = parse(answer(status=b"127\n", output=b"env: 'x': No such file\n"))
    assert seen == Unavailable(Reason.IMPOSSIBLE, f"{TOOL.decode()} did not start: env: 'x': No such file")
    assert parse(answer(status=b"126\n", output=b"")) == Unavailable(
        Reason.IMPOSSIBLE, f"{TOOL.decode()} did not start: status 126"
    )


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (answer()[:-40], "cut off after"),
        (b"Welcome!\n" + answer(), "printed 9 bytes before"),
        (answer() + b"bye", "printed more"),
        (b"", "without an answer"),
        (answer().replace(b"fleet-rehearsal 1", b"fleet-rehearsal 2"), "version '2'"),
        (
            answer(keys=b"kernel/core_pattern\nnet/ipv4/ip_local_reserved_ports\n"),
            "not asked for: 'kernel.core_pattern'",
        ),
        (answer(after=contents(b"1\n")), "1 values for 2 keys"),
        (answer(status=b"ok\n"), "not a number"),
        (joined(refused=b"because\n", end=b""), "an unknown refusal: 'because'"),
        (joined(after=b"", refused=b"root\n", end=b""), "sections"),
    ],
)
def test_other_answers_are_refused(raw: bytes, told: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse(raw)
    assert told in str(caught.value)
    assert str(caught.value).isprintable()


@settings(max_examples=150)
@given(st.data())
def test_mutated_answer_is_parsed_or_refused_but_nothing_else(data: st.DataObject) -> None:
    raw = bytearray(answer())
    for _ in range(data.draw(st.integers(min_value=1, max_value=6))):
        start = data.draw(st.integers(min_value=0, max_value=len(raw)))
        end = start + data.draw(st.integers(min_value=0, max_value=30))
        pieces = [MARK, MARK + b"=\0", b"\n" + MARK + b" refused\n", b"\0", b"9" * 30]
        raw[start:end] = data.draw(st.binary(max_size=10) | st.sampled_from(pieces))
    with suppress(ProtocolError):
        parse(bytes(raw))


def test_arguments_are_the_tool_and_the_keys_that_may_be_written() -> None:
    nonce, tool, *keys = rehearsal_arguments(NONCE, "systemd-sysctl")
    assert (nonce, tool) == (NONCE, "systemd-sysctl")
    assert [key.replace("/", ".") for key in keys] == list(REHEARSED_KEYS)
    with pytest.raises(ValueError, match="nonce"):
        rehearsal_arguments("$(reboot)", "sysctl")


@pytest.mark.parametrize("shell", SHELLS)
def test_script_that_was_cut_off_runs_nothing(shell: str) -> None:
    if shutil.which(SHELLS[shell][0]) is None:
        pytest.skip(f"needs {shell}")
    script = rehearsal_script()
    call = b'{ rehearse "$@"; }\n'
    assert script.endswith(call)
    whole = len(script) - len(call)
    for length in (*range(0, whole, 997), *range(whole, len(script) - 1)):
        done = subprocess.run(
            [shutil.which(SHELLS[shell][0]) or "", *SHELLS[shell][1:], "-s", "--", NONCE, "systemd-sysctl"],
            input=script[:length],
            capture_output=True,
            check=False,
            env={"PATH": "/nonexistent"},
            timeout=20,
        )
        assert done.stdout == b"", length
