import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.model.connection import BecomeMethod
from fleet.model.errors import BecomeError, HostTimeoutError, ProtocolError, UnreachableError
from fleet.model.secret import Secret
from fleet.transport import Command
from fleet.transport.become import refusal
from fleet.transport.exchange import Exchange

WORD = Secret("correct horse")


def exchange(
    *, password: Secret | None = WORD, become: bool = True, stdin: bytes = b"script", limit: int = 10_000
) -> Exchange:
    command = Command(arguments=("sh", "-s"), stdin=stdin, become=become, max_output=limit)
    return Exchange(host="db1", user="ops", command=command, method="sudo", password=password)


def prompt_of(running: Exchange) -> bytes:
    return running.arguments[running.arguments.index("-p") + 1].encode()


def marker_of(running: Exchange) -> bytes:
    return next(word for word in running.arguments if word.startswith("fleet-started-")).encode() + b"\n"


def take(running: Exchange) -> bytes:
    data = running.outgoing
    running.wrote(len(data))
    return data


def test_password_then_script_each_only_when_asked_for() -> None:
    running = exchange()
    assert (take(running), running.input_complete) == (b"", False)
    running.received(b"", b"We trust you have received the usual lecture\n")
    assert take(running) == b""
    running.received(b"", prompt_of(running))
    assert (take(running), running.input_complete) == (b"correct horse\n", False)
    running.received(marker_of(running), b"")
    assert (take(running), running.input_complete) == (b"script", True)
    running.received(b"out", b"err")
    done = running.completed(3)
    assert (done.exit_status, done.stdout, done.stderr) == (
        3,
        b"out",
        b"We trust you have received the usual lecture\nerr",
    )


def test_no_password_where_sudo_does_not_ask() -> None:
    running = exchange()
    running.received(marker_of(running), b"")
    assert take(running) == b"script"
    running.received(b"", prompt_of(running))
    assert take(running) == b""


def test_second_prompt_is_a_wrong_password() -> None:
    running = exchange()
    running.received(b"", prompt_of(running))
    with pytest.raises(BecomeError, match="refused the password of ops"):
        running.received(b"", b"Sorry, try again.\n" + prompt_of(running))


@given(st.data())
def test_pieces_of_any_size_lead_to_the_same_result(data: st.DataObject) -> None:
    running = exchange()
    stderr = b"noise\n" + prompt_of(running)
    stdout = b"motd\n" + marker_of(running) + b"answer"
    sent = b""
    for stream, text in (("err", stderr), ("out", stdout)):
        rest = text
        while rest:
            size = data.draw(st.integers(1, len(rest)))
            piece = rest[:size]
            rest = rest[size:]
            running.received(piece if stream == "out" else b"", piece if stream == "err" else b"")
            sent += take(running)
    assert sent == b"correct horse\nscript"
    done = running.completed(0)
    assert (done.stdout, done.stderr) == (b"motd\nanswer", b"noise\n")


def test_prompt_and_marker_of_another_call_are_only_text() -> None:
    running, other = exchange(), exchange()
    running.received(marker_of(other), prompt_of(other))
    assert take(running) == b""
    with pytest.raises(ProtocolError, match="did not start the command"):
        running.completed(0)


def test_secret_is_in_no_argument() -> None:
    assert not any("horse" in word for word in exchange().arguments)


def test_without_password_sudo_must_not_ask_and_the_script_goes_at_once() -> None:
    running = exchange(password=None)
    assert running.arguments == ("env", "LC_ALL=C", "sudo", "-n", "--", "sh", "-s")
    assert (take(running), running.input_complete) == (b"script", True)


def test_command_that_does_not_become_is_left_as_it_is() -> None:
    assert exchange(become=False).arguments == ("sh", "-s")


def test_limits_count_both_outputs() -> None:
    running = exchange(become=False, limit=10)
    running.received(b"12345", b"12345")
    with pytest.raises(ProtocolError, match="longer than 10 bytes; it begins with '12345'"):
        running.received(b"", b"1")


def test_head_of_a_too_long_answer_is_safe_to_print() -> None:
    running = exchange(become=False, limit=10)
    with pytest.raises(ProtocolError) as caught:
        running.received(b"\x1b[2J\xff\x00evil answer", b"")
    assert str(caught.value).isprintable()


def test_kind_of_a_lost_connection_depends_on_whether_the_answer_began() -> None:
    running = exchange(become=False)
    assert isinstance(running.lost(), UnreachableError)
    running.received(b"part", b"")
    assert isinstance(running.lost(), ProtocolError)


def test_kind_of_a_timeout_depends_on_whether_sudo_let_us_in() -> None:
    running = exchange()
    assert isinstance(running.timed_out(1), BecomeError)
    running.received(marker_of(running), b"")
    assert isinstance(running.timed_out(1), HostTimeoutError)


@pytest.mark.parametrize(
    ("method", "status", "stderr", "reason"),
    [
        ("sudo", 1, "sudo: a password is required", "asks for a password"),
        ("sudo", 1, "sudo: a terminal is required to read the password; either use ...", "asks for a password"),
        ("sudo", 1, "sudo: sorry, you must have a tty to run sudo", "requiretty"),
        ("sudo", 1, "Sorry, user ops is not allowed to execute '/bin/sh -s' as root on db1.", "may not run"),
        ("sudo", 1, "ops is not in the sudoers file.  This incident will be reported.", "may not run"),
        ("sudo", 1, "Sorry, user ops may not run sudo on db1.", "may not run"),
        ("sudo", 1, "sudo: 1 incorrect password attempt", "refused the password"),
        ("sudo", 1, "sudo: account validation failure, is your account locked?", "locked or expired"),
        (
            "sudo",
            1,
            "sudo: effective uid is not 0, is /usr/bin/sudo on a file system with the 'nosuid' option",
            "setuid",
        ),
        ("sudo", 1, "sudo: /usr/bin/sudo must be owned by uid 0 and have the setuid bit set", "setuid"),
        ("sudo", 1, 'sudo: The "no new privileges" flag is set, which prevents sudo from running as root.', "setuid"),
        ("sudo", 1, "sudo: no valid sudoers sources found, quitting", "does not load"),
        ("sudo", 1, "sudo: something unheard of \x1b[2J", r"something unheard of \\x1b"),
        ("sudo", 127, "env: 'sudo': No such file or directory", "not installed"),
        ("sudo", 127, "env: can't execute 'sudo': No such file or directory", "not installed"),
        ("sudo", 127, "sh: 1: sudo: not found", "not installed"),
        ("doas", 127, "env: 'doas': No such file or directory", "not installed"),
        ("doas", 1, "doas: Authentication required", "from a terminal only"),
        ("doas", 1, "doas: Authorization required", "from a terminal only"),
        ("doas", 1, "doas: Operation not permitted", "may not run"),
        ("doas", 1, "doas: doas is not enabled, /etc/doas.conf: No such file or directory", "may not run"),
    ],
)
def test_each_refusal_has_its_reason_and_advice(method: BecomeMethod, status: int, stderr: str, reason: str) -> None:
    lines = f"sudo: unable to resolve host db1: Name or service not known\n{stderr}\n".encode()
    error = refusal("db1", method, "ops", status=status, answered=False, stderr=lines)
    assert error is not None
    with pytest.raises(BecomeError, match=reason):
        raise error
    assert error.advice
    assert str(error).isprintable()


@pytest.mark.parametrize(
    ("method", "status", "answered", "stderr"),
    [
        ("sudo", 0, False, b"sudo: a password is required"),
        ("none", 1, False, b"sudo: a password is required"),
        ("sudo", 1, False, b"sudo: unable to resolve host db1: Name or service not known"),
        ("sudo", 1, False, b"cat: /x: No such file or directory"),
        ("sudo", 127, True, b"sh: 3: nstat: not found"),
        ("sudo", 2, True, b"sudo: a word of the command's own"),
    ],
)
def test_failure_of_the_command_itself_is_no_refusal(
    method: BecomeMethod,
    status: int,
    answered: bool,  # noqa: FBT001 a parameter of the test
    stderr: bytes,
) -> None:
    assert refusal("db1", method, "ops", status=status, answered=answered, stderr=stderr) is None
