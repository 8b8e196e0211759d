import binascii
import importlib
import pkgutil
import socket

import paramiko
import pytest

from fleet.model.errors import HostError, HostTimeoutError, ProtocolError, UnreachableError
from fleet.transport.errors import (
    LEAVES,
    TurnedAwayError,
    banner_error,
    connect_error,
    host_error,
    still_turned_away,
    tunnel_error,
)


def subclasses(kind: type[BaseException]) -> set[type[BaseException]]:
    return {kind, *(below for child in kind.__subclasses__() for below in subclasses(child))}


def test_every_error_of_paramiko_has_its_meaning() -> None:
    for module in pkgutil.iter_modules(paramiko.__path__):
        if not module.name.startswith(("_win", "win_")):
            importlib.import_module(f"paramiko.{module.name}")
    known = {kind for kind in subclasses(paramiko.SSHException) if kind.__module__.startswith("paramiko")}
    assert known == set(LEAVES)


@pytest.mark.parametrize(
    "error",
    [
        paramiko.SSHException("x"),
        EOFError(),
        ConnectionResetError(104, "Connection reset by peer"),
        binascii.Error("bad"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
        ValueError("\x1b[2J"),
        IndexError("x"),
        None,
    ],
)
def test_any_error_becomes_one_of_its_host_that_is_safe_to_print(error: BaseException | None) -> None:
    turned = host_error("db1", "the key exchange", error)
    assert isinstance(turned, HostError)
    assert turned.host == "db1"
    assert turned.advice
    assert str(turned).isprintable()


def test_unknown_error_of_paramiko_is_taken_for_its_parent() -> None:
    class LaterError(paramiko.AuthenticationException):
        pass

    assert host_error("db1", "the login", LaterError("x")).kind == "auth"
    # Leave no trace for the test that lists paramiko's own.
    del LaterError


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "does not resolve"),
        (TimeoutError(), "did not answer within 3 s"),
        (ConnectionRefusedError(111, "Connection refused"), "refused the connection"),
        (OSError(113, "No route to host"), "cannot be reached: No route to host"),
    ],
)
def test_host_that_does_not_connect_is_unreachable(error: OSError, words: str) -> None:
    turned = connect_error("db1", "10.0.0.1:22", error, 3)
    assert isinstance(turned, UnreachableError)
    assert words in turned.message
    assert not isinstance(turned, TurnedAwayError)


def wrapped(cause: Exception | None) -> paramiko.SSHException:
    error = paramiko.SSHException("Error reading SSH protocol banner")
    error.__context__ = cause
    return error


def test_kind_of_a_missing_banner_depends_on_what_came_instead() -> None:
    assert isinstance(banner_error("db1", wrapped(EOFError())), UnreachableError)
    assert isinstance(banner_error("db1", wrapped(ConnectionResetError())), UnreachableError)
    assert isinstance(banner_error("db1", wrapped(TimeoutError())), HostTimeoutError)
    assert isinstance(banner_error("db1", wrapped(None)), ProtocolError)
    assert isinstance(banner_error("db1", None), UnreachableError)


@pytest.mark.parametrize(
    ("error", "is_worth_another_try"),
    [
        (paramiko.ChannelException(1, "Administratively prohibited"), False),
        (paramiko.ChannelException(2, "Connect failed"), False),
        (paramiko.ChannelException(4, "Resource shortage"), True),
        (EOFError(), False),
    ],
)
def test_only_a_jump_host_without_room_is_asked_again(error: Exception, *, is_worth_another_try: bool) -> None:
    turned = tunnel_error("db1", "bastion", "10.0.0.1:22", error)
    assert isinstance(turned, UnreachableError)
    assert isinstance(turned, TurnedAwayError) is is_worth_another_try


def test_who_was_turned_away_too_often_is_not_tried_again_from_further_out() -> None:
    once, often = (still_turned_away(TurnedAwayError("db1", "closed", advice="look"), tries, 4.21) for tries in (1, 3))
    assert type(once) is type(often) is UnreachableError
    assert (str(once), str(often)) == ("closed: look", "closed, 3 times in 4.2 s: look")
