"""Reads shared out to the workers of a Dask cluster: a host is read and judged where it is reached from."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from threading import Event, Thread

from fleet.runner.dask.cluster import PATIENCE_SECONDS, check_address, without_credentials
from fleet.runner.dask.run import Asked, DaskRun
from fleet.runner.dask.task import seal
from fleet.runner.shards import Job, Visit
from fleet.runner.threads import wait_for

_END_SECONDS = 5.0


class DaskShards:
    """Implements `fleet.runner.shards.Shards`: each host is a task, which Dask does again when its worker dies.

    Args:
        scheduler: ``tcp://HOST:PORT`` or ``tls://HOST:PORT``.
        workers: hosts in flight at most, at all workers together.
        patience: seconds for which hosts wait once the last worker of their site is lost.

    Raises:
        UsageError: the address is none, or TLS is asked for without certificates.
    """

    def __init__(self, *, scheduler: str, workers: int, patience: float = PATIENCE_SECONDS) -> None:
        check_address(scheduler)
        self._scheduler = scheduler
        self._workers = workers
        self._patience = patience

    def visit(
        self, job: Job, visits: Sequence[Visit], *, started: Callable[[str], None], stop: Event
    ) -> Generator[tuple[str, object], None, None]:
        """Visit hosts; one at whose site there is no worker is given up with words.

        Raises:
            FleetError: the scheduler does not answer or has no workers, or a worker has another fleet.
            UsageError: a password would have to be sent.
        """
        asked = [
            Asked(
                name=visit.host.name,
                site=visit.endpoint.site,
                sealed=seal(replace(visit, endpoint=without_credentials(visit.endpoint))),
            )
            for visit in visits
        ]
        run = DaskRun(
            scheduler=self._scheduler,
            workers=self._workers,
            patience=self._patience,
            job=seal(job),
            asked=asked,
            stop=stop,
        )
        thread = Thread(target=run.carry_out, name="fleet-dask", daemon=True)
        thread.start()
        try:
            while (told := wait_for(run.told)) is not None:
                if isinstance(told, Exception):
                    raise told
                if isinstance(told, str):
                    started(told)
                else:
                    yield told
        finally:
            run.end()
            thread.join(_END_SECONDS)
