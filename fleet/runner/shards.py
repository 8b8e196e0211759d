"""Hosts that other processes visit: what goes to them, what comes back, and nornir's runner over it."""

import pickle
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Protocol

from nornir.core.inventory import Host
from nornir.core.task import AggregatedResult, MultiResult, Result, Task

from fleet.model.connection import Endpoint
from fleet.model.errors import HostError, InternalError, UsageError
from fleet.policy import HostView
from fleet.runner.connection import ConnectionSettings, endpoint
from fleet.runner.inventory import CONNECTION, host_view
from fleet.transport import Connection, Transport

Job = Callable[[HostView, Connection], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One host and how it is reached."""

    host: HostView
    endpoint: Endpoint


class Shards(Protocol):
    """Processes that visit hosts."""

    def visit(
        self, job: Job, visits: Sequence[Visit], *, started: Callable[[str], None], stop: Event
    ) -> Generator[tuple[str, object], None, None]:
        """Give host names with what the job returned, or the exception that ended it, as they come.

        Args:
            job: can be pickled, only reads, and may be done twice on a host when a process is lost.
            visits: hosts, in the order in which they are begun.
            started: told the name of each host that is begun.
            stop: once set, no further host is begun.
        """
        ...


def share_out(visits: Sequence[Visit], transports: int) -> Sequence[Visit]:
    """Let each of several transports keep to its part of what the operator allows the network to be asked."""
    return [replace(visit, endpoint=replace(visit.endpoint, transports=transports)) for visit in visits]


def visit_one(job: Job, visit: Visit, transport: Transport) -> object:
    """Do a job over a connection of its own; what ends it is returned, fit to be sent."""
    try:
        connection = transport.open(visit.endpoint)
        try:
            return job(visit.host, connection)
        finally:
            connection.close()
    except (HostError, UsageError) as error:
        return error
    except Exception as error:  # noqa: BLE001 of one host, as nornir takes it; told as a bug
        return internal_error(error)


def sendable(outcome: object) -> bytes:
    """Pickle what became of a visit; one that cannot be is told as a bug."""
    try:
        return pickle.dumps(outcome)
    except Exception as error:  # noqa: BLE001 anything that a result holds may refuse
        return pickle.dumps(internal_error(error))


def internal_error(error: Exception) -> InternalError:
    """Put a bug into words: what it is, and where."""
    if isinstance(error, InternalError):
        return error
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return InternalError(
        f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}: this is a bug in fleet"
    )


class ShardedRunner:
    """Implements nornir's RunnerPlugin: the job of a task is done elsewhere, its results and events come here.

    Args:
        shards: where it is done.
        job: what the task does on each host.
        settings: of all connections.
        stop: once set, no further host is begun.
    """

    def __init__(self, shards: Shards, job: Job, settings: ConnectionSettings, stop: Event | None = None) -> None:
        self._shards = shards
        self._job = job
        self._settings = settings
        self._stop = stop or Event()

    def run(self, task: Task, hosts: list[Host]) -> AggregatedResult:
        """Visit the hosts.

        Raises:
            UsageError: a host cannot be reached as asked.
        """
        by_name = {host.name: host for host in hosts}
        visits = [Visit(host=host_view(host), endpoint=_endpoint(host, self._settings)) for host in hosts]
        finished: dict[str, MultiResult] = {}

        def started(name: str) -> None:
            task.processors.task_instance_started(task, by_name[name])

        with closing(self._shards.visit(self._job, visits, started=started, stop=self._stop)) as outcomes:
            for name, outcome in outcomes:
                if isinstance(outcome, UsageError):
                    raise outcome
                host = by_name[name]
                result = MultiResult(task.name)
                if isinstance(outcome, Exception):
                    result.append(Result(host=host, failed=True, exception=outcome))
                else:
                    result.append(Result(host=host, result=outcome))
                finished[name] = result
                task.processors.task_instance_completed(task, host, result)
        results = AggregatedResult(task.name)
        results.update((host.name, finished[host.name]) for host in hosts if host.name in finished)
        return results


def _endpoint(host: Host, settings: ConnectionSettings) -> Endpoint:
    said = host.get_connection_parameters(CONNECTION)
    return endpoint(
        name=host.name,
        hostname=said.hostname,
        username=said.username,
        password=said.password,
        port=said.port,
        extras=said.extras or {},
        settings=settings,
    )
