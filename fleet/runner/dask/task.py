"""What is asked of a worker of a Dask cluster: one host. The credentials for it are the worker's own.

Arguments and results are text and bytes, so that a worker with another fleet can still say that it has another one.
"""

import os
import pickle
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from threading import Condition, Thread
from time import monotonic
from typing import Final

from fleet import __version__
from fleet.model.connection import Endpoint
from fleet.model.errors import HostError, InternalError, UsageError
from fleet.runner.connection import credentials_of_environment
from fleet.runner.shards import Job, Visit, sendable, visit_one
from fleet.transport import SshTransport, Transport

IDLE_SECONDS: Final = 30.0
"""How long jump hosts and agents stay open for further hosts of a run."""


def seal(thing: object) -> bytes:
    """Make bytes of what is sent.

    Raises:
        TypeError: there is a secret in it, or something else that is not sent.
    """
    return zlib.compress(pickle.dumps(thing), level=1)


def version_there() -> str:
    """The version of fleet where this is called."""
    return __version__


def visit_host(version: str, run_id: str, job: bytes, visit: bytes) -> bytes:
    """Visit one host from here.

    Args:
        version: of the fleet that asks.
        run_id: hosts of the same run share what is read, loaded and opened once a run.
        job: sealed.
        visit: sealed; its endpoint has no credentials.

    Returns:
        what the job returned or the exception that ended it, pickled.
    """
    if (other := unlike(version)) is not None:
        return sendable(other)
    asked: Visit = pickle.loads(zlib.decompress(visit))  # noqa: S301 of whoever may run tasks here anyway
    with transport_of(run_id) as transport:
        outcome = visit_one(_job(job), replace(asked, endpoint=with_own_credentials(asked.endpoint)), transport)
    return sendable(worded(outcome) if isinstance(outcome, HostError | UsageError) else outcome)


def unlike(version: str) -> InternalError | None:
    """Say that the fleet that asks is not the one here, if so."""
    if version == __version__:
        return None
    return InternalError(f"the worker on {_here()} has fleet {__version__}, and this is fleet {version}")


def worded(error: HostError | UsageError) -> HostError | UsageError:
    """Say of an error where it was met, for its cause and its cure may be there."""
    if isinstance(error, HostError):
        return type(error)(error.host, f"from the worker on {_here()}: {error.message}", advice=error.advice)
    return UsageError(f"on the worker {_here()}: {error}")


def with_own_credentials(endpoint: Endpoint) -> Endpoint:
    """Add what the environment has here."""
    own = credentials_of_environment()
    return replace(endpoint, password=own.password, passphrase=own.passphrase, become_password=own.become_password)


@lru_cache(maxsize=2)
def _job(sealed: bytes) -> Job:
    job: Job = pickle.loads(zlib.decompress(sealed))  # noqa: S301 see above
    return job


def _here() -> str:
    return os.uname().nodename


class _Shared:
    """The transport of a run; closed once no host of it has been visited from here for a while."""

    def __init__(self, run_id: str) -> None:
        self.transport = SshTransport()
        self.busy = 0
        self.last_used = monotonic()
        Thread(target=self._close_when_idle, args=(run_id,), name="fleet-idle", daemon=True).start()

    def _close_when_idle(self, run_id: str) -> None:
        with _changed:
            while self.busy or monotonic() - self.last_used < IDLE_SECONDS:
                _changed.wait(IDLE_SECONDS)
            del _shared[run_id]
        self.transport.close()


_changed = Condition()
_shared: dict[str, _Shared] = {}


@contextmanager
def transport_of(run_id: str) -> Iterator[Transport]:
    """Give what the connections of a run share here."""
    with _changed:
        shared = _shared.get(run_id) or _shared.setdefault(run_id, _Shared(run_id))
        shared.busy += 1
    try:
        yield shared.transport
    finally:
        with _changed:
            shared.busy -= 1
            shared.last_used = monotonic()
