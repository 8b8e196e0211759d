"""A nornir runner that Ctrl-C can stop at once."""

from collections import deque
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TypeVar

from nornir.core.inventory import Host
from nornir.core.task import AggregatedResult, MultiResult, Task

T = TypeVar("T")


class InterruptibleRunner:
    """Runs a task on each host in threads, as nornir's ThreadedRunner does, in the order of the hosts.

    nornir's own runner waits on interrupt until every queued host is done. Here KeyboardInterrupt leaves at once:
    hosts that wait are dropped, and the threads, being daemons, do not hold up the end of the process.

    Args:
        workers: hosts in flight at most.
        stop: once set, no further host is begun; those in flight end, and the others are not in the result.
    """

    def __init__(self, workers: int, stop: Event | None = None) -> None:
        self._workers = workers
        self._stop = stop or Event()

    def run(self, task: Task, hosts: list[Host]) -> AggregatedResult:
        waiting = deque(hosts)
        done: SimpleQueue[tuple[str, MultiResult] | None] = SimpleQueue()

        def work() -> None:
            try:
                while not self._stop.is_set():
                    try:
                        host = waiting.popleft()
                    except IndexError:
                        break
                    done.put((host.name, task.copy().start(host)))
            finally:
                done.put(None)

        finished: dict[str, MultiResult] = {}
        working = min(self._workers, len(hosts))
        try:
            for number in range(working):
                Thread(target=work, name=f"fleet-worker-{number}", daemon=True).start()
            while working:
                if (each := wait_for(done)) is None:
                    working -= 1
                else:
                    finished.update([each])
        finally:
            waiting.clear()
        result = AggregatedResult(task.name)
        result.update((host.name, finished[host.name]) for host in hosts if host.name in finished)
        return result


def wait_for(queue: SimpleQueue[T]) -> T:
    """Take what comes next; Ctrl-C ends the waiting at once."""
    # A signal that comes just before get() blocks would wait as long as get() does: so get() comes up for air.
    while True:
        try:
            return queue.get(timeout=0.2)
        except Empty:
            continue
