"""Where the hosts of a run are visited from."""

import os
from enum import StrEnum
from typing import Final

from fleet.model.errors import UsageError
from fleet.runner.processes import Processes

PAYS_HOSTS: Final = 1000
PAYS_CORES: Final = 4
"""From here on the start of further processes is small against what they save; see docs/runners.md."""


class Runner(StrEnum):
    """How hosts are visited side by side."""

    AUTO = "auto"
    THREADS = "threads"
    PROCESSES = "processes"


def choose(runner: Runner, *, hosts: int, workers: int, local: bool) -> Processes | None:
    """Give the processes that visit the hosts of a run; None for the threads of this one.

    Args:
        runner: what the operator said.
        hosts: of the run.
        workers: hosts in flight at most.
        local: the run is about this machine alone, without SSH.

    Raises:
        UsageError: processes are asked for where there is nothing to share out.
    """
    cores = len(os.sched_getaffinity(0))
    if local and runner is Runner.PROCESSES:
        raise UsageError("--local is one host, which is not shared out to processes: leave --runner out")
    if runner is Runner.PROCESSES or (runner is Runner.AUTO and pays(hosts=hosts, cores=cores)):
        return Processes(processes=cores, workers=workers)
    return None


def pays(*, hosts: int, cores: int) -> bool:
    """Whether a run is sooner done by many processes than by one."""
    return hosts >= PAYS_HOSTS and cores >= PAYS_CORES
