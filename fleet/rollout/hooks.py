"""Commands on the controller before and after a host."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from fleet.rollout.occasion import Occasion
from fleet.transport.program import run_program

_AT_ONCE = 50


def run_hooks(
    command: tuple[str, ...],
    occasions: Sequence[Occasion],
    *,
    timeout: float,
    stop: Event,
    told: Callable[[Occasion], None],
) -> Mapping[str, str]:
    """Run a command once for each host, many at a time.

    Args:
        command: arguments with ``{host}``, ``{run}`` and ``{batch}`` in them.
        timeout: seconds for each.
        stop: once set, those that run are ended, and no further one is begun.
        told: called as each begins.

    Returns:
        By host, why it failed; empty where it did not.
    """
    abandoned = Event()

    def run(occasion: Occasion) -> str:
        if stop.is_set() or abandoned.is_set():
            return "was not started, since the run is stopping"
        told(occasion)
        return run_program(
            occasion.arguments(command),
            environment=occasion.environment,
            timeout=timeout,
            stop=lambda: stop.is_set() or abandoned.is_set(),
        ).failure

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="hook") as pool:
        try:
            failures = list(pool.map(run, occasions))
        finally:
            abandoned.set()  # a second Ctrl-C leaves nothing running
    return {occasion.host: failure for occasion, failure in zip(occasions, failures, strict=True)}
