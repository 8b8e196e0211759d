"""Dask clusters of real processes, and what their workers do in tests."""

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dask
from distributed import Nanny, Scheduler
from distributed.deploy.spec import SpecCluster

from fleet.policy import HostView
from fleet.transport import Command, Connection

THREADS = 4


@contextmanager
def dask_cluster(directory: Path, sites: Mapping[str, Sequence[str]], env: Mapping[str, str]) -> Iterator[SpecCluster]:
    """A scheduler in this process, and workers in processes of their own, each with one to look after it.

    Args:
        directory: for what Dask writes.
        sites: where each worker is said to be, by its name.
        env: of the workers, beside their name in WORKER.
    """
    workers = {
        name: {
            "cls": Nanny,
            "options": {
                "nthreads": THREADS,
                "host": "127.0.0.1",
                "resources": {f"site:{site}": 1 for site in at},
                "dashboard_address": None,
                "local_directory": str(directory),
                "env": {**env, "WORKER": name},
            },
        }
        for name, at in sites.items()
    }
    scheduler = {"cls": Scheduler, "options": {"dashboard_address": "127.0.0.1:0", "host": "127.0.0.1"}}
    # A task whose worker died twice is given up; else four workers would have to be started anew for that.
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        SpecCluster(workers=workers, scheduler=scheduler, silence_logs="CRITICAL") as cluster,
    ):
        yield cluster


def worker_pids(cluster: SpecCluster) -> dict[str, int]:
    """The process of each worker, by its name."""
    return {str(name): nanny.process.pid for name, nanny in cluster.workers.items()}


def where(host: HostView, connection: Connection) -> tuple[str, str]:
    """What the host says, and which worker asked it."""
    said = connection.run(Command(arguments=("echo", host.name))).stdout.decode().strip()
    return said, os.environ["WORKER"]


def stumble(host: HostView, _connection: Connection) -> str:
    return {"n1": "fine"}[host.name]


def unsendable(_host: HostView, _connection: Connection) -> object:
    return lambda: None


@dataclass(frozen=True)
class Dying:
    """Dies on a host, as often as told: each death takes one file away."""

    host: str
    lives: Path

    def __call__(self, host: HostView, _connection: Connection) -> str:
        if host.name == self.host and (left := sorted(self.lives.iterdir())):
            left[0].unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return host.name


@dataclass(frozen=True)
class Hanging:
    """Says on a host that it has begun, and hangs there."""

    host: str
    begun: Path

    def __call__(self, host: HostView, connection: Connection) -> str:
        if host.name == self.host:
            self.begun.touch()
            connection.run(Command(arguments=("sleep", "30")))
        return host.name
