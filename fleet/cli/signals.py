"""What Ctrl-C, SIGTERM and a lost terminal do to a command."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Event, Thread
from types import FrameType
from typing import NoReturn

EXIT_BY_SIGNAL = 128


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and a lost terminal end a command as Ctrl-C does: the cursor comes back, no child is left."""

    def end(number: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(EXIT_BY_SIGNAL + number)

    # One that the caller ignores, as nohup does, stays ignored.
    numbers = [each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) is signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def stopped_by_signals(stop: Event, tell: Callable[[], None]) -> Iterator[None]:
    """Let the first signal ask a run to stop, and the next one end the command at once, as Ctrl-C otherwise does.

    Args:
        stop: is set on the first one.
        tell: is called then, in another thread.
    """
    came: SimpleQueue[bool] = SimpleQueue()
    asked = False

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        # The main thread may be anywhere, also inside the lock of the event or of stderr: so only this is safe here.
        came.put(True)

    def wait() -> None:
        if came.get():
            stop.set()
            tell()

    waiting = Thread(target=wait, name="fleet-signals", daemon=True)
    waiting.start()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        came.put(False)
        waiting.join()
