"""What was measured, as Markdown."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import median

from benchmarks.contestants import CONTESTANTS
from benchmarks.field import JOBS, Job
from benchmarks.measure import Cost
from benchmarks.rounds import Run

_HEAD = (
    "| {job}, {nodes} nodes | client CPU, ms a node | to bare paramiko | wall, s | to fleet's | client CPU, s"
    " | nodes' CPU, s | peak, MiB | runs |\n|---|---|---|---|---|---|---|---|---|\n"
)


def tables(runs: Iterable[Run]) -> str:
    """One table for each job and size."""
    found = list(runs)
    sizes = sorted({run.nodes for run in found})
    return "\n".join(
        _HEAD.format(job=job, nodes=f"{nodes:,}")
        + "".join(_lines(job, nodes, [run for run in found if run.job == job]))
        for job in JOBS
        for nodes in sizes
        if any((run.job, run.nodes) == (job, nodes) for run in found)
    )


def _lines(job: Job, nodes: int, runs: Sequence[Run]) -> Iterator[str]:
    costs: dict[str, list[Cost]] = {}
    for run in runs:
        if run.nodes == nodes:
            costs.setdefault(run.name, []).extend([run.cost] if run.cost else [])
    bare, fleet = _middle(costs.get("paramiko", ()), _client), _middle(costs.get("fleet", ()), _wall)
    for contestant in CONTESTANTS:
        if contestant.job == job and contestant.name in costs:
            cells = _cells(costs[contestant.name], nodes, bare, fleet)
            yield f"| {' | '.join((contestant.title, *cells))} |\n"


def _cells(costs: Sequence[Cost], nodes: int, bare: float | None, fleet: float | None) -> tuple[str, ...]:
    client, wall = _middle(costs, _client), _middle(costs, _wall)
    if client is None or wall is None:
        return ("-",) * 8
    return (
        f"{1000 * client / nodes:.1f}",
        f"{client / bare:.2f}" if bare else "-",
        f"{wall:.1f}",
        f"{wall / fleet:.2f}" if fleet else "-",
        f"{client:.2f}",
        f"{median(cost.server for cost in costs):.1f}",
        f"{max(cost.peak for cost in costs):.0f}",
        str(len(costs)),
    )


def _client(cost: Cost) -> float:
    return cost.client


def _wall(cost: Cost) -> float:
    return cost.wall


def _middle(costs: Sequence[Cost], of: Callable[[Cost], float]) -> float | None:
    return median(map(of, costs)) if costs else None
