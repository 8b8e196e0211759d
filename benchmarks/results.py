"""Runs kept in a file, a line each, so that a table can be made of runs at different times."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from itertools import product
from pathlib import Path

from benchmarks.field import Job
from benchmarks.measure import Cost
from benchmarks.rounds import Run


def read(path: Path) -> list[Run]:
    """All runs that are kept; none where there is no file yet."""
    if not path.exists():
        return []
    lines = map(json.loads, path.read_text().splitlines())
    return [Run(**{**line, "cost": line["cost"] and Cost(**line["cost"])}) for line in lines]


def keep(path: Path, run: Run) -> None:
    """Add one run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(asdict(run)) + "\n")


def forget(path: Path, *, nodes: int, names: Iterable[str], jobs: Iterable[Job]) -> None:
    """Leave out earlier runs of some contestants at a size, which are about to be measured again."""
    again = set(product(jobs, names))
    left = [run for run in read(path) if run.nodes != nodes or (run.job, run.name) not in again]
    path.unlink(missing_ok=True)
    for run in left:
        keep(path, run)
