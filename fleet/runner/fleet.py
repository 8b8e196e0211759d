"""Run a job on many hosts."""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from threading import Event
from types import TracebackType
from typing import Protocol, Self, TypeVar

from nornir.core import Nornir
from nornir.core.configuration import Config
from nornir.core.inventory import Host, Inventory
from nornir.core.plugins.connections import ConnectionPluginRegister
from nornir.core.plugins.runners import RunnerPlugin
from nornir.core.processor import Processors
from nornir.core.task import AggregatedResult, MultiResult, Result, Task

from fleet.model.errors import HostError, UsageError
from fleet.policy import HostView
from fleet.runner.connection import CONFIG_KEY, ConnectionSettings, FleetConnection, RunContext
from fleet.runner.inventory import CONNECTION, host_view
from fleet.runner.shards import ShardedRunner, Shards
from fleet.runner.threads import InterruptibleRunner
from fleet.transport import Connection, Transport

T = TypeVar("T")

DEFAULT_WORKERS = 50

# nornir logs each failed host with a traceback, which without a handler goes to stderr; failures are results here.
logging.getLogger("nornir").addHandler(logging.NullHandler())


class Progress(Protocol):
    """Told from worker threads as hosts start and finish."""

    def started(self, host: str) -> None: ...

    def finished(self, host: str) -> None: ...


class Fleet:
    """Hosts and the means to reach them, for one run.

    Args:
        inventory: of nornir; hosts are visited in its order.
        transport: closed with the fleet.
        workers: hosts in flight at most.
        shards: processes that visit the hosts; None visits them in threads of this one.
        keep_open: a connection stays open for the next job, until the fleet is closed or a job fails on it.
    """

    def __init__(  # noqa: PLR0913 each is of the whole run
        self,
        inventory: Inventory,
        transport: Transport,
        *,
        settings: ConnectionSettings | None = None,
        workers: int = DEFAULT_WORKERS,
        progress: Progress | None = None,
        keep_open: bool = False,
        shards: Shards | None = None,
    ) -> None:
        ConnectionPluginRegister.register(CONNECTION, FleetConnection)
        self._transport = transport
        self._workers = workers
        self._keep_open = keep_open
        self._shards = shards
        self._context = RunContext(transport=transport, settings=settings or ConnectionSettings())
        self._nornir = Nornir(
            inventory=inventory,
            config=Config(),
            processors=Processors([_Reporting(progress)] if progress else []),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transport.close()

    def run(
        self,
        job: Callable[[HostView, Connection], T],
        *,
        hosts: Collection[str] | None = None,
        stop: Event | None = None,
        keep: Callable[[T], bool] | None = None,
    ) -> Mapping[str, T | Exception]:
        """Open each host's one connection, do the job over it, and close it unless connections are kept open.

        A connection that is open already is used.

        Args:
            job: called in a worker thread; with shards in another process, to which it is sent.
            hosts: names to visit; None visits all.
            stop: once set, no further host is visited; those in flight end, and the others are not in the result.
            keep: whether, by what the job returned, this connection is kept open for the next one.

        Raises:
            UsageError: a host cannot be reached as asked, such as by ~/.ssh/config. Hosts that wait are not visited.

        Returns:
            By host name in the inventory's order, what the job returned; or the `HostError` that ended it; or, where
            the job has a bug, the exception that shows it.
        """
        refusals: list[UsageError] = []

        def visit(task: Task) -> Result:
            host = task.host
            if refusals:
                return Result(host=host, failed=True, exception=refusals[0])
            config = Config(user_defined={CONFIG_KEY: replace(self._context, host=host.name)})
            is_kept = False
            try:
                connection: Connection = host.get_connection(CONNECTION, config)
                result = job(host_view(host), connection)
                is_kept = self._keep_open or (keep is not None and keep(result))
                return Result(host=host, result=result)
            except UsageError as error:
                refusals.append(error)
                return Result(host=host, failed=True, exception=error)
            except HostError as error:
                return Result(host=host, failed=True, exception=error)
            finally:
                if not is_kept:
                    host.close_connections()

        wanted = self._nornir.inventory.hosts.keys() if hosts is None else frozenset(hosts)
        runner: RunnerPlugin = (
            InterruptibleRunner(self._workers, stop)
            if self._shards is None
            else ShardedRunner(self._shards, job, self._context.settings, stop)
        )
        stoppable = self._nornir.with_runner(runner)
        selected = stoppable.filter(filter_func=lambda host: host.name in wanted)
        # A host that failed an earlier job is visited again: whoever runs the job decides, not nornir's memory.
        results = selected.run(visit, on_failed=True)
        if refusals:
            raise refusals[0]
        return {name: _outcome(result) for name, result in results.items()}

    def hang_up(self, hosts: Collection[str]) -> None:
        """Close what is open to the named hosts, so that the next job opens it anew."""
        for name in hosts:
            self._nornir.inventory.hosts[name].close_connections()


def _outcome(result: MultiResult) -> T | Exception:
    first = result[0]
    return first.exception if isinstance(first.exception, Exception) else first.result


class _Reporting:
    """Hands nornir's events on to a `Progress`."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def task_started(self, task: Task) -> None: ...

    def task_completed(self, task: Task, result: AggregatedResult) -> None: ...

    def task_instance_started(self, task: Task, host: Host) -> None:
        self._progress.started(host.name)

    def task_instance_completed(self, task: Task, host: Host, result: MultiResult) -> None:
        self._progress.finished(host.name)

    def subtask_instance_started(self, task: Task, host: Host) -> None: ...

    def subtask_instance_completed(self, task: Task, host: Host, result: MultiResult) -> None: ...
