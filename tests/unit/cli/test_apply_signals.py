"""The first signal asks a rollout to stop, the second one ends it."""

import os
import signal
import threading
from threading import Event

import pytest

from fleet.cli.signals import stopped_by_signals

DEADLINE = 30


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_sets_the_event_and_is_told_once(number: signal.Signals) -> None:
    stop, told = Event(), Event()
    with stopped_by_signals(stop, told.set):
        os.kill(os.getpid(), number)
        assert stop.wait(DEADLINE)
        assert told.wait(DEADLINE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_ends_at_once(number: signal.Signals) -> None:
    stop = Event()
    with stopped_by_signals(stop, lambda: None):
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(DEADLINE)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)


def test_what_handled_signals_before_handles_them_again_and_no_thread_stays() -> None:
    before = signal.getsignal(signal.SIGINT)
    with stopped_by_signals(Event(), lambda: None):
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
    assert "fleet-signals" not in {thread.name for thread in threading.enumerate()}


def test_a_signal_that_the_caller_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stop = Event()
        with stopped_by_signals(stop, lambda: None):
            os.kill(os.getpid(), signal.SIGHUP)
        assert not stop.is_set()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_signal_while_the_lock_of_the_event_is_held_does_not_hang() -> None:
    stop = Event()
    with stopped_by_signals(stop, lambda: None):
        with stop._cond:  # noqa: SLF001 where the main thread may be when a signal comes
            os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(DEADLINE)
