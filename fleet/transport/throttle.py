"""When a connection is begun: at a rate, so many at a time by one way, and anew after the host turned it away.

Only what was turned away before either side said who it is may be begun anew: sshd drops connections so when too many
of them have not logged in yet (MaxStartups), and the next moment may find room. All else would come to the same end,
or must not be done twice. A port that refuses says that nobody listens. A connect that times out was tried again by
the kernel all along. A login that was refused would, tried again, only bring a ban nearer. A command may have run.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition, Lock
from time import monotonic

from fleet.model.errors import UnreachableError

MOST_TRIES = 6
FIRST_DELAY = 0.5
"""Seconds that the second try is put off at most; each further one up to twice as long."""


def delay_before_next(*, tries: int, spent: float, limit: float, draw: Callable[[], float]) -> float | None:
    """Say how long to wait before a host that turned us away is tried again.

    The whole delay is drawn ("full jitter"), so that those who were turned away together do not come back together:
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/

    Args:
        tries: made so far, at least one.
        spent: seconds since the first one began, without waiting for turns.
        limit: seconds after the first one in which the next may begin.
        draw: gives a number from 0 to 1.

    Returns:
        seconds; None where it is not to be tried again.
    """
    delay = draw() * FIRST_DELAY * 2.0 ** (tries - 1)
    return None if tries >= MOST_TRIES or spent + delay > limit else delay


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """What holds a connection to one host back.

    Attributes:
        per_second: connections a second to all hosts; None does not hold it back.
        way: what the hosts have in common that are reached in the same way, such as their jump host; None for none.
        logins: under way at a time by that way; None for as many as there are.
    """

    per_second: float | None = None
    way: str | None = None
    logins: int | None = None


class Pace:
    """Hands out moments to begin connections at, evenly apart, whoever asks.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._free_from = clock()

    def reserve(self, per_second: float) -> float:
        """Take the next moment, and keep the time after it free that the rate asks for.

        Returns:
            seconds until then.
        """
        with self._lock:
            now = self._clock()
            moment = max(now, self._free_from)
            self._free_from = moment + 1 / per_second
            return moment - now


class Turns:
    """Lets many threads begin their connections in turn, until the run ends."""

    def __init__(self) -> None:
        self._pace = Pace()
        self._changed = Condition()
        self._under_way: Counter[str] = Counter()
        self._is_ended = False

    @contextmanager
    def turn(self, name: str, throttle: Throttle) -> Iterator[None]:
        """Wait until a connection to the host of this name may be begun; its login is over at the end of the block.

        Raises:
            UnreachableError: the run has ended.
        """
        with self._place(name, throttle):
            if throttle.per_second is not None:
                self.pause(name, self._pace.reserve(throttle.per_second))
            yield

    def pause(self, name: str, seconds: float) -> None:
        """Wait.

        Raises:
            UnreachableError: the run has ended.
        """
        with self._changed:
            if self._changed.wait_for(lambda: self._is_ended, seconds):
                raise _ended(name)

    def end(self) -> None:
        """Wake whoever waits: the run has ended."""
        with self._changed:
            self._is_ended = True
            self._changed.notify_all()

    @contextmanager
    def _place(self, name: str, throttle: Throttle) -> Iterator[None]:
        way, most = throttle.way, throttle.logins
        if way is None or most is None:
            yield
            return
        with self._changed:
            self._changed.wait_for(lambda: self._is_ended or self._under_way[way] < most)
            if self._is_ended:
                raise _ended(name)
            self._under_way[way] += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way[way] -= 1
                self._changed.notify_all()


def _ended(name: str) -> UnreachableError:
    return UnreachableError(name, "the run has ended")
