"""One more host costs the same in a small fleet and in a large one: ``python -m benchmarks.flat`` at small sizes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
KIB = 2**10


def measured(task: str, size: int) -> tuple[float, float]:
    """Seconds of CPU, and KiB, of one host."""
    child = subprocess.run(
        [sys.executable, "-m", "benchmarks.flat", task, str(size)],
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
    )
    cost = json.loads(child.stdout)
    assert cost["hosts"] == size
    return sum(cost["cpu"].values()) / size, cost["grown"] / size / KIB


# What is of the whole run, such as its threads, is spread over the hosts: one of many may cost less than one of few.
@pytest.mark.parametrize(
    ("task", "few", "many", "most_kib"),
    [pytest.param("audit", 100, 500, 100, id="audit"), pytest.param("plan", 20, 80, 600, id="plan")],
)
def test_one_more_host_costs_as_much_in_a_large_fleet_as_in_a_small_one(
    task: str, few: int, many: int, most_kib: float
) -> None:
    in_small, _ = measured(task, few)
    in_large, kib = measured(task, many)
    # A cost that grows with the fleet would be four times as high.
    assert in_large < 2 * in_small
    assert kib < most_kib
