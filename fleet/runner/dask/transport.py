"""Connections to hosts from the workers of a Dask cluster, for what is decided here: rollouts and their gates."""

import pickle
import warnings
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from threading import Lock
from time import monotonic
from typing import Any

from distributed import Client, Future
from distributed.scheduler import KilledWorker
from distributed.versions import VersionMismatchWarning

from fleet import __version__
from fleet.model.connection import Completed, Endpoint
from fleet.model.errors import UnreachableError
from fleet.model.run_id import new_run_id
from fleet.runner.dask.cluster import (
    CONNECT,
    LOOK_EVERY,
    PATIENCE_SECONDS,
    Worker,
    cannot_be_reached,
    check_address,
    check_versions,
    lost,
    no_worker,
    where,
    without_credentials,
    workers_of,
)
from fleet.runner.dask.connections import close_all_there, close_there, open_there, run_there
from fleet.runner.dask.task import seal, version_there
from fleet.transport import Command


class DaskTransport:
    """Implements `fleet.transport.Transport`: a connection is held by a worker at the site of its host.

    When the worker dies, the connection is lost; what its last command has done, the host is asked, as ever.

    Args:
        scheduler: ``tcp://HOST:PORT`` or ``tls://HOST:PORT``.
        patience: seconds for which a host waits once the last worker of its site is lost.

    Raises:
        FleetError: the scheduler does not answer or has no workers, or a worker has another fleet.
        UsageError: the address is none, or TLS is asked for without certificates.
    """

    def __init__(self, scheduler: str, *, patience: float = PATIENCE_SECONDS) -> None:
        check_address(scheduler)
        self._scheduler = scheduler
        self._patience = patience
        self._run_id = new_run_id()
        self._looking = Lock()
        self._workers: tuple[Worker, ...] = ()
        self._looked = float("-inf")
        try:
            with warnings.catch_warnings():
                # Of what is installed there, fleet matters, which is asked for next.
                warnings.simplefilter("ignore", VersionMismatchWarning)
                self._client = Client(scheduler, **CONNECT)
        except (OSError, RuntimeError, ImportError) as error:
            raise cannot_be_reached(scheduler, error) from error
        try:
            check_versions(self._client.run(version_there, on_error="return"), scheduler)
            self._sites = {site for worker in self._look() for site in (None, *worker.sites)}
        except BaseException:
            self._client.close()
            raise

    def open(self, endpoint: Endpoint) -> "DaskConnection":
        """Let a worker connect and log in.

        Raises:
            HostError: the host was not reached, or one side did not accept the other.
            UsageError: a password would have to be sent, or ~/.ssh/config there asks for what cannot be done.
        """
        site = endpoint.site
        sealed = seal(without_credentials(endpoint))
        future = self._client.submit(open_there, __version__, self._run_id, sealed, pure=False, resources=where(site))
        address, token = self._outcome(
            future,
            endpoint.name,
            can=lambda worker: site is None or site in worker.sites,
            # A site that never had one is not waited for.
            patience=self._patience if site in self._sites else 0.0,
            cannot=lambda: no_worker(self._scheduler, site, self._workers),
        )
        return DaskConnection(self, endpoint.name, address, token)

    def ask(self, host: str, address: str, function: Callable[..., bytes], *arguments: object) -> Any:  # noqa: ANN401
        """Let the worker that holds a connection do something with it, and give what it says of that.

        Raises:
            HostError: it ended with this, or the worker is gone.
        """
        return self._outcome(
            self._client.submit(function, *arguments, pure=False, workers=[address], allow_other_workers=False),
            host,
            can=lambda worker: worker.address == address,
            patience=0.0,
            cannot=lambda: f"the worker at {address}, which held the connection, is gone",
        )

    def close(self) -> None:
        """Log out everywhere, and leave the cluster; a second call does nothing."""
        if self._client.status == "running":
            self._client.run(close_all_there, self._run_id, on_error="ignore")
        self._client.close()

    def _look(self) -> tuple[Worker, ...]:
        """Give the workers as they were a moment ago."""
        with self._looking:
            if monotonic() - self._looked >= LOOK_EVERY:
                self._workers = workers_of(self._client.scheduler_info())
                self._looked = monotonic()
            return self._workers

    def _outcome(
        self,
        future: Future[bytes],
        host: str,
        *,
        can: Callable[[Worker], bool],
        patience: float,
        cannot: Callable[[], str],
    ) -> Any:  # noqa: ANN401 as many kinds as there are tasks
        """Wait for a task, for as long as there is a worker that can do it."""
        last_seen = monotonic()
        try:
            while (sent := _result(future)) is None:
                if self._client.status != "running":
                    raise UnreachableError(host, lost(self._scheduler))
                if any(map(can, self._look())):
                    last_seen = monotonic()
                elif monotonic() - last_seen >= patience:
                    raise UnreachableError(host, cannot())
        except KilledWorker as error:
            message = f"workers that were to reach it have died, the last at {error.last_worker.address}"
            raise UnreachableError(host, message, advice="see its log, and whether memory is short there") from error
        except CancelledError as error:
            raise UnreachableError(host, lost(self._scheduler)) from error
        finally:
            future.release()
        outcome = pickle.loads(sent)  # noqa: S301 of a worker, which has our keys anyway
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def _result(future: Future[bytes]) -> bytes | None:
    """Wait for it a moment."""
    try:
        return future.result(timeout=LOOK_EVERY)
    except TimeoutError:
        return None


class DaskConnection:
    """Implements `fleet.transport.Connection` over one that a worker holds.

    Args:
        transport: of the run.
        host: the inventory name.
        address: of the worker.
        token: the worker's name for the connection.
    """

    def __init__(self, transport: DaskTransport, host: str, address: str, token: str) -> None:
        self._transport = transport
        self._host = host
        self._address = address
        self._token = token
        self._asked = 0
        self._is_closed = False

    def run(self, command: Command) -> Completed:
        """Run a command to its end.

        Raises:
            HostError: the command did not run to its end, or it is not known how it ended.
        """
        number, self._asked = self._asked, self._asked + 1
        completed: Completed | None = self._transport.ask(
            self._host, self._address, run_there, self._token, number, seal(command)
        )
        if completed is None:
            raise UnreachableError(self._host, f"the worker at {self._address} has lost the connection or its answer")
        return completed

    def close(self) -> None:
        """Log out; a second call does nothing."""
        if not self._is_closed:
            self._is_closed = True
            with suppress(UnreachableError):  # The worker is gone, and the connection with it.
                self._transport.ask(self._host, self._address, close_there, self._token)
