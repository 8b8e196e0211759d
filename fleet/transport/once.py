"""Work that many threads want done and one does."""

from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Once(Generic[K, V]):
    """Keeps what was made for each key; the first thread makes it, others wait. A failure is kept like a value."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._made: dict[K, Future[V]] = {}

    def get(self, key: K, make: Callable[[], V]) -> V:
        """Give what was made for a key, or make it now; raises what ``make`` raised, for every caller."""
        with self._lock:
            future = self._made.get(key)
            mine = future is None
            if future is None:
                future = self._made[key] = Future()
        if mine:
            try:
                future.set_result(make())
            except BaseException as error:
                future.set_exception(error)
                raise
        return future.result()

    def forget(self, key: K, value: V) -> None:
        """Drop a value that is of no use any more, unless another has taken its place."""
        with self._lock:
            future = self._made.get(key)
            if future is not None and future.done() and future.exception() is None and future.result() is value:
                del self._made[key]

    def values(self) -> list[V]:
        """List what was made without failure."""
        with self._lock:
            futures = list(self._made.values())
        return [future.result() for future in futures if future.done() and future.exception() is None]
