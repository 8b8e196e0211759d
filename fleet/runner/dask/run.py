"""One run over a Dask cluster: which host is asked of it when, and what is said where it cannot be visited."""

import asyncio
import pickle
import warnings
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event
from time import monotonic

from distributed import Client
from distributed.scheduler import KilledWorker
from distributed.versions import VersionMismatchWarning

from fleet import __version__
from fleet.model.errors import FleetError, InternalError
from fleet.model.run_id import new_run_id
from fleet.model.text import printable
from fleet.runner.dask.cluster import (
    ANSWER_SECONDS,
    CONNECT,
    LOOK_EVERY,
    MOST_SHOWN,
    Worker,
    cannot_be_reached,
    check_versions,
    lost,
    no_worker,
    where,
    workers_of,
)
from fleet.runner.dask.task import version_there, visit_host
from fleet.runner.shards import internal_error

_POLL = 0.2
_AHEAD = 2
"""Hosts in hand for each thread of a worker: one that it visits, and one to go on with at once."""

Told = str | tuple[str, object] | Exception | None
"""A host that is begun; a host and its outcome; what ends the run; its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One host as it is sent, and the site from which it is reached; None is any."""

    name: str
    site: str | None
    sealed: bytes


class DaskRun:
    """Goes on in an event loop of its own, in another thread than whoever reads ``told``.

    Args:
        scheduler: its address.
        workers: hosts in flight at most.
        patience: seconds for which hosts wait once the last worker of their site is lost.
        job: sealed.
        asked: hosts, in the order in which those of a site are begun.
        stop: once set, no further host is begun.
    """

    def __init__(  # noqa: PLR0913 each is of the whole run
        self, *, scheduler: str, workers: int, patience: float, job: bytes, asked: Iterable[Asked], stop: Event
    ) -> None:
        self.told: SimpleQueue[Told] = SimpleQueue()
        self._scheduler = scheduler
        self._workers = workers
        self._patience = patience
        self._job = job
        self._stop = stop
        self._run_id = new_run_id()
        self._waiting: dict[str | None, deque[Asked]] = {}
        for each in asked:
            self._waiting.setdefault(each.site, deque()).append(each)
        self._in_hand: dict[str, tuple[Asked, asyncio.Task[None]]] = {}
        self._came = asyncio.Event()
        self._threads: Counter[str | None] = Counter()
        """Of the workers at each site; under None those of all."""
        self._lacking: dict[str | None, float] = {}
        """Sites without a worker, and since when."""
        self._next_look: float | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None

    def carry_out(self) -> None:
        """Visit all hosts."""
        try:
            asyncio.run(self._run())
        except FleetError as error:
            self.told.put(error)
        except asyncio.CancelledError:
            self.told.put(None)
        except Exception as error:  # noqa: BLE001 the end of a thread; told as a bug
            self.told.put(internal_error(error))
        else:
            self.told.put(None)

    def end(self) -> None:
        """Let it end at once: what is in hand is of no use any more, and Dask forgets it."""
        if self._loop is not None and self._main is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._main.cancel)

    async def _run(self) -> None:
        self._loop, self._main = asyncio.get_running_loop(), asyncio.current_task()
        async with await _connect(self._scheduler) as client:
            check_versions(await _versions(client, self._scheduler), self._scheduler)
            while self._in_hand or (any(self._waiting.values()) and not self._stop.is_set()):
                await self._look(client)
                self._hand_out(client)
                await self._wait()
                if client.status != "running":
                    self._give_up(self._waiting, lost(self._scheduler))

    async def _look(self, client: Client) -> None:
        """Look where workers are, and give up hosts that none can reach."""
        now = monotonic()
        if self._next_look is not None and now < self._next_look:
            return
        try:
            workers = await _workers(client)
        except OSError:
            return  # The connection is lost, or will be tried again.
        patience = 0.0 if self._next_look is None else self._patience
        self._next_look = now + LOOK_EVERY
        self._threads = Counter()
        for worker in workers:
            for site in (None, *worker.sites):
                self._threads[site] += worker.threads
        for site in self._waiting:
            if self._threads[site]:
                self._lacking.pop(site, None)
            elif now - self._lacking.setdefault(site, now) >= patience:
                self._give_up([site], no_worker(self._scheduler, site, workers))

    def _hand_out(self, client: Client) -> None:
        """Ask for further hosts, of each site in turn, so that no site waits for another."""
        in_hand = Counter(asked.site for asked, _ in self._in_hand.values())
        goes_on = not self._stop.is_set()
        while goes_on:
            goes_on = False
            for site, waiting in self._waiting.items():
                has_room = in_hand.total() < self._workers and in_hand[site] < _AHEAD * self._threads[site]
                if waiting and has_room:
                    self._begin(client, waiting.popleft())
                    in_hand[site] += 1
                    goes_on = True

    def _begin(self, client: Client, asked: Asked) -> None:
        self.told.put(asked.name)
        self._in_hand[asked.name] = asked, asyncio.ensure_future(self._visit(client, asked))

    async def _visit(self, client: Client, asked: Asked) -> None:
        try:
            future = client.submit(
                visit_host, __version__, self._run_id, self._job, asked.sealed, pure=False, resources=where(asked.site)
            )
            outcome: object = pickle.loads(await future)  # noqa: S301 of a worker, which has our keys anyway
        except KilledWorker as error:
            outcome = InternalError(
                f"{error.allowed_failures + 1} workers that visited it have died, the last at "
                f"{error.last_worker.address}: see its log, and whether memory is short there (dmesg)"
            )
        except CancelledError:
            outcome = InternalError(lost(self._scheduler))
        except Exception as error:  # noqa: BLE001 whatever a worker has run into with this host
            what = printable(f"{type(error).__name__}: {error}", MOST_SHOWN)
            outcome = InternalError(f"a worker could not do its task: {what}: see the log of the worker")
        del self._in_hand[asked.name]
        self.told.put((asked.name, outcome))
        self._came.set()

    async def _wait(self) -> None:
        """Wait until something came, for a moment at most."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._came.wait(), _POLL)
        self._came.clear()

    def _give_up(self, sites: Iterable[str | None], why: str) -> None:
        """Tell hosts as not checked, those that wait and those that are in hand."""
        given_up = frozenset(sites)
        for name, (asked, task) in list(self._in_hand.items()):
            if asked.site in given_up:
                task.cancel()
                del self._in_hand[name]
                self.told.put((name, InternalError(why)))
        for site in given_up:
            while waiting := self._waiting[site]:
                self.told.put((waiting.popleft().name, InternalError(why)))


async def _connect(scheduler: str) -> Client:
    try:
        with warnings.catch_warnings():
            # Of what is installed there, fleet matters, which is asked for next.
            warnings.simplefilter("ignore", VersionMismatchWarning)
            client: Client = await Client(scheduler, asynchronous=True, **CONNECT)
    except (OSError, RuntimeError, ImportError) as error:
        raise cannot_be_reached(scheduler, error) from error
    return client


async def _versions(client: Client, scheduler: str) -> Mapping[str, object]:
    try:
        versions: Mapping[str, object] = await asyncio.wait_for(
            client.run(version_there, on_error="return"), ANSWER_SECONDS
        )
    except (OSError, TimeoutError) as error:
        raise FleetError(f"workers of {scheduler} do not answer: see their logs") from error
    return versions


async def _workers(client: Client) -> tuple[Worker, ...]:
    if client.scheduler is None:
        raise OSError("closed")
    return workers_of(await client.scheduler.identity(n_workers=-1))
