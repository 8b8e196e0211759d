import subprocess
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.model.connection import Completed, Endpoint
from fleet.model.errors import HostTimeoutError, ProtocolError, UnreachableError
from fleet.transport import Command, FakeTransport, LocalConnection, LocalTransport
from fleet.transport.command import shell_line
from fleet.transport.once import Once

ARGUMENT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=30)


@settings(max_examples=50, deadline=None)
@given(st.lists(ARGUMENT, max_size=5))
def test_arguments_survive_a_real_shell(arguments: list[str]) -> None:
    line = shell_line(("printf", r"%s\0", *arguments))
    answer = subprocess.run(["sh", "-c", line], check=True, capture_output=True).stdout
    # Without an argument printf prints its format once.
    assert answer.decode().split("\0")[:-1] == (arguments or [""])


def test_local_command_gets_stdin_and_gives_both_outputs() -> None:
    done = LocalConnection().run(Command(arguments=("sh", "-c", "cat; echo e >&2; exit 4"), stdin=b"\0\xff"))
    assert done == Completed(exit_status=4, stdout=b"\0\xff", stderr=b"e\n")


def test_local_command_may_print_and_read_much_at_once() -> None:
    data = b"x" * 3_000_000
    assert LocalConnection().run(Command(arguments=("cat",), stdin=data)).stdout == data


def test_local_command_need_not_read_its_input() -> None:
    assert LocalConnection().run(Command(arguments=("true",), stdin=b"x" * 3_000_000)).exit_status == 0


def test_local_limits_are_kept() -> None:
    connection = LocalConnection("here")
    before = time.monotonic()
    with pytest.raises(HostTimeoutError, match=r"within 0\.2 s"):
        connection.run(Command(arguments=("sh", "-c", "sleep 20 & sleep 20"), timeout=0.2))
    with pytest.raises(ProtocolError, match="longer than 100 bytes"):
        connection.run(Command(arguments=("yes",), max_output=100))
    assert time.monotonic() - before < 15


def test_local_command_that_is_missing_or_killed_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError, match="cannot be started"):
        LocalConnection().run(Command(arguments=("/nonexistent/tool",)))
    with pytest.raises(ProtocolError, match="ended by a signal"):
        LocalConnection().run(Command(arguments=("sh", "-c", "kill -9 $$")))


def test_local_transport_takes_the_name_of_the_endpoint() -> None:
    connection = LocalTransport().open(Endpoint(name="here", address="localhost"))
    with pytest.raises(ProtocolError) as caught:
        connection.run(Command(arguments=("/nonexistent/tool",)))
    assert caught.value.host == "here"


def test_fake_answers_by_name_and_records() -> None:
    answer = Completed(exit_status=0, stdout=b"x", stderr=b"")
    late = ProtocolError("c", "cut off")
    fake = FakeTransport({"a": answer, "b": UnreachableError("b", "gone"), "c": late})
    command = Command(arguments=("true",))
    connection = fake.open(Endpoint(name="a", address="1"))
    assert connection.run(command) is answer
    connection.close()
    for name in ("b", "missing"):
        with pytest.raises(UnreachableError):
            fake.open(Endpoint(name=name, address="2"))
    with pytest.raises(ProtocolError):
        fake.open(Endpoint(name="c", address="3")).run(command)
    assert (fake.opened, fake.closed, fake.commands) == (["a", "c"], ["a"], [("a", command), ("c", command)])


def test_work_for_one_key_is_done_once_though_many_ask() -> None:
    once: Once[str, object] = Once()
    calls: list[int] = []
    release = threading.Event()

    def make() -> object:
        calls.append(1)
        release.wait(5)
        return object()

    got: list[object] = []
    threads = [threading.Thread(target=lambda: got.append(once.get("k", make))) for _ in range(8)]
    for thread in threads:
        thread.start()
    release.set()
    for thread in threads:
        thread.join()
    assert (len(calls), len(set(map(id, got)))) == (1, 1)
    once.forget("k", got[0])
    assert once.get("k", lambda: "again") == "again"


def test_failure_is_given_to_all_who_ask() -> None:
    once: Once[str, int] = Once()
    calls: list[int] = []

    def fail() -> int:
        calls.append(1)
        raise UnreachableError("a", "gone")

    for _ in range(3):
        with pytest.raises(UnreachableError):
            once.get("k", fail)
    assert (len(calls), once.values()) == (1, [])
