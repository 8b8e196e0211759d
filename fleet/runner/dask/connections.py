"""Connections that a worker holds for the one who runs fleet, and commands over them, each done once at most.

Dask does a task again when its worker dies, or when its result is lost on the way. A command that writes must not be
done again: so it names its connection, which ends with the process that holds it, and its number, which counts once.
"""

import pickle
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from secrets import token_hex
from threading import Lock, Timer
from typing import Final

from distributed import get_worker

from fleet.model.connection import Completed, Endpoint
from fleet.model.errors import HostError, UsageError
from fleet.runner.dask.task import transport_of, unlike, with_own_credentials, worded
from fleet.runner.shards import sendable
from fleet.transport import Command, Connection

HELD_SECONDS: Final = 600.0
"""How long a connection that is not used is held: who has asked for it may be gone."""


class _Held:
    """A connection, and how many commands it was asked for."""

    def __init__(self, token: str, run_id: str, connection: Connection, ended: Callable[[], None]) -> None:
        self.run_id = run_id
        self.connection = connection
        self.asked = 0
        self._token = token
        self._ended = ended
        self._timer: Timer | None = None

    def wait(self) -> None:
        """Close it when nothing is asked for a while."""
        self._timer = Timer(HELD_SECONDS, close_there, args=(self._token,))
        self._timer.daemon = True
        self._timer.start()

    def use(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def close(self) -> None:
        self.use()
        self.connection.close()
        self._ended()


_held: dict[str, _Held] = {}
_lock = Lock()


def open_there(version: str, run_id: str, endpoint: bytes) -> bytes:
    """Log in to a host from here.

    Args:
        version: of the fleet that asks.
        run_id: hosts of the same run share what is read, loaded and opened once a run.
        endpoint: sealed, without credentials.

    Returns:
        the address of this worker and a token for the connection, or the exception that kept it from being; pickled.
    """
    if (other := unlike(version)) is not None:
        return sendable(other)
    asked: Endpoint = pickle.loads(zlib.decompress(endpoint))  # noqa: S301 of whoever may run tasks here anyway
    token = token_hex(16)
    with ExitStack() as opened:
        try:
            connection = opened.enter_context(transport_of(run_id)).open(with_own_credentials(asked))
        except (HostError, UsageError) as error:
            return sendable(worded(error))
        held = _Held(token, run_id, connection, opened.pop_all().close)
    with _lock:
        _held[token] = held
    held.wait()
    return sendable((get_worker().address, token))


def run_there(token: str, number: int, command: bytes) -> bytes:
    """Do a command over a connection that is held here.

    Args:
        token: of the connection.
        number: of the command, counted from 0 on this connection.
        command: sealed.

    Returns:
        what it left behind or the exception that ended it; None where the connection is not here, or the command was
        begun before, so that its outcome is not known; pickled.
    """
    with _lock:
        held = _held.get(token)
        if held is None or held.asked != number:
            return sendable(None)
        held.asked += 1
    held.use()
    asked: Command = pickle.loads(zlib.decompress(command))  # noqa: S301 see above
    outcome: Completed | HostError | UsageError
    try:
        outcome = held.connection.run(asked)
    except HostError as error:
        outcome = worded(error)
    held.wait()
    return sendable(outcome)


def close_there(token: str) -> bytes:
    """Log out; a second call does nothing."""
    with _lock:
        held = _held.pop(token, None)
    if held is not None:
        held.close()
    return sendable(None)


def close_all_there(run_id: str) -> None:
    """Log out from all hosts of a run."""
    with _lock:
        tokens = [token for token, held in _held.items() if held.run_id == run_id]
    for token in tokens:
        close_there(token)
