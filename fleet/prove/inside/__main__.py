"""Measures some cells of the proof at once: a line of requests on stdin, a line of answers, and it is over.

A request is ``{"experiment", "runs", "values", "invalid_rule", "ipv6", "parameters"}`` in JSON; both lines are lists.
The answers stand after the arguments of this program, which tell them from whatever else is printed where it runs.
Whoever asks keeps stdin open: when it ends too early, so does this, whatever it is doing.
"""

from __future__ import annotations

import json
import os
import queue
import secrets
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from .filling import full
from .forging import forged
from .losing import lost
from .ports import exhausted, lifetime
from .world import ToolError, World

EXPERIMENTS: Mapping[str, Callable[[World, int, Mapping[str, Any]], dict[str, Any]]] = {
    "none": lambda _world, _runs, _parameters: {},
    "forged": forged,
    "lost": lost,
    "ports": exhausted,
    "lifetime": lifetime,
    "full": full,
}
_AT_ONCE = 32


def main() -> None:
    """Answer, and end."""
    # Packets of one processor keep their order; which one it is, is all the same to them.
    os.sched_setaffinity(0, {secrets.choice(sorted(os.sched_getaffinity(0)))})
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(lines,), daemon=True).start()
    requests = json.loads(lines.get())
    # A world moves only the thread that makes it.
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = list(pool.map(_answer, requests))
    sys.stdout.write(" ".join([*sys.argv[1:], json.dumps(answers)]) + "\n")
    sys.stdout.flush()
    # Not by the usual way, which would wait for whoever reads stdin.
    os._exit(0)


def _read(lines: queue.SimpleQueue[str]) -> None:
    """Whoever asks may be killed at any moment: then the pipe ends, and with this process all namespaces do."""
    for line in sys.stdin:
        lines.put(line)
    os._exit(1)


def _answer(request: Mapping[str, Any]) -> dict[str, Any]:
    kernel = os.uname().release
    if request["ipv6"] and not Path("/proc/net/if_inet6").exists():
        return {"skipped": "this kernel has no IPv6", "kernel": kernel}
    try:
        world = World(request["values"], invalid_rule=request["invalid_rule"], ipv6=request["ipv6"])
        try:
            answer = EXPERIMENTS[request["experiment"]](world, request["runs"], request["parameters"])
        finally:
            world.close()
    except (ToolError, OSError, RuntimeError) as error:
        return {"error": str(error)}
    return {**answer, "refused": world.refused, "kernel": kernel}


if __name__ == "__main__":
    main()
