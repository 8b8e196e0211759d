"""Measures one cell of the proof for each line on stdin, and ends when stdin does, whatever it is doing.

A line is ``{"experiment", "runs", "values", "invalid_rule", "parameters"}`` in JSON; so is each answer.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Callable, Mapping
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


def main() -> None:
    """Answer requests until there are no more."""
    # Packets of one processor keep their order.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(lines,), daemon=True).start()
    while True:
        sys.stdout.write(json.dumps(_answer(json.loads(lines.get()))) + "\n")
        sys.stdout.flush()


def _read(lines: queue.SimpleQueue[str]) -> None:
    """Whoever asks may be killed at any moment: then the pipe ends, and with this process all namespaces do."""
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)


def _answer(request: Mapping[str, Any]) -> dict[str, Any]:
    try:
        world = World(request["values"], invalid_rule=request["invalid_rule"])
        try:
            answer = EXPERIMENTS[request["experiment"]](world, request["runs"], request["parameters"])
        finally:
            world.close()
    except (ToolError, OSError) as error:
        return {"error": str(error)}
    return {**answer, "refused": world.refused, "kernel": os.uname().release}


if __name__ == "__main__":
    main()
