"""Where the hosts of a run are visited from."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final

from fleet.model.errors import UsageError
from fleet.runner.processes import Processes
from fleet.runner.shards import Shards
from fleet.transport import Transport

PAYS_HOSTS: Final = 1000
PAYS_CORES: Final = 4
"""From here on the start of further processes is small against what they save; see docs/runners.md."""


class Runner(StrEnum):
    """How hosts are visited side by side."""

    AUTO = "auto"
    THREADS = "threads"
    PROCESSES = "processes"
    DASK = "dask"


def choose(
    runner: Runner, *, hosts: int, workers: int, local: bool = False, scheduler: str | None = None
) -> Shards | None:
    """Give what visits the hosts of a run; None for the threads of this process.

    Args:
        runner: what the operator said.
        hosts: of the run.
        workers: hosts in flight at most.
        local: the run is about this machine alone, without SSH.
        scheduler: the address of a Dask cluster.

    Raises:
        UsageError: there is nothing to share out, or the options do not go together.
    """
    _check(runner, local=local, scheduler=scheduler)
    cores = len(os.sched_getaffinity(0))
    if scheduler is not None:
        with _needing_dask():
            from fleet.runner.dask.shards import DaskShards  # noqa: PLC0415 an extra, and slow to load
        return DaskShards(scheduler=scheduler, workers=workers)
    if runner is Runner.PROCESSES or (runner is Runner.AUTO and pays(hosts=hosts, cores=cores)):
        return Processes(processes=cores, workers=workers)
    return None


def check_deciding_here(runner: Runner, *, local: bool, scheduler: str | None) -> None:
    """See that a runner suits what is decided here, host by host, over one connection or several.

    Raises:
        UsageError: processes are asked for, or the options do not go together.
    """
    _check(runner, local=local, scheduler=scheduler)
    if runner is Runner.PROCESSES:
        raise UsageError("this command decides here what is done next on each host: use --runner threads, or dask")


def dask_transport(scheduler: str) -> Transport:
    """Give connections from the workers of a Dask cluster.

    Raises:
        FleetError: the cluster cannot be used.
        UsageError: Dask is not installed, or the address is none.
    """
    with _needing_dask():
        from fleet.runner.dask.transport import DaskTransport  # noqa: PLC0415 an extra, and slow to load
    return DaskTransport(scheduler)


def _check(runner: Runner, *, local: bool, scheduler: str | None) -> None:
    if local and runner in {Runner.PROCESSES, Runner.DASK}:
        raise UsageError("--local is one host, which is not shared out: leave --runner out")
    if (runner is Runner.DASK) != (scheduler is not None):
        raise UsageError("--runner dask and --scheduler ADDRESS go together")


@contextmanager
def _needing_dask() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in {"dask", "distributed"}:
            raise
        raise UsageError("--runner dask needs Dask: pip install 'fleet-kernel[dask]'") from None


def pays(*, hosts: int, cores: int) -> bool:
    """Whether a run is sooner done by many processes than by one."""
    return hosts >= PAYS_HOSTS and cores >= PAYS_CORES
