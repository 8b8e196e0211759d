"""What was worked out before."""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Memo(Generic[K, V]):
    """Keeps what follows from each key, for nodes that are alike; threads may share it.

    Args:
        most: entries; where they are too many, all are forgotten.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[K, tuple[V]] = {}

    def get(self, key: K, make: Callable[[], V]) -> V:
        """Give what was made for an equal key, or make it now; what ``make`` raises is not kept."""
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= self._most:
                # Another thread may still look into the old one.
                self._known = {}
            found = self._known[key] = (make(),)
        return found[0]
