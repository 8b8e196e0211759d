"""Runs of all contestants in turn, so that what disturbs the machine disturbs each of them."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contestants import CONTESTANTS, Contestant
from benchmarks.field import JOBS, Field, Job, field
from benchmarks.measure import Cost, measured

_LONG = 30.0
_WITHIN = 1800.0
_BEFORE, _AFTER = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of one contestant; ``cost`` is None where there are more nodes than it is run with."""

    nodes: int
    job: Job
    name: str
    cost: Cost | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to measure.

    Attributes:
        peers: where the programs of the other contestants are.
        rounds: of all; who takes longer than half a minute has one run.
        only: names of contestants; none: all.
        jobs: which of both; none: both.
    """

    nodes: int
    peers: Path
    rounds: int
    only: Collection[str]
    jobs: Collection[Job]


def measure_all(folder: Path, request: Request, tell: Callable[[str], None]) -> Iterator[Run]:
    """Measure contestants on a lab of their own.

    Args:
        folder: an empty one.
        request: whom, and with how many nodes.
        tell: gets what is going on, a line at a time.

    Raises:
        WrongResultError: a contestant did not do its work.
    """
    nodes = request.nodes
    tell(f"{nodes} nodes: building the lab")
    with field(folder, nodes, request.peers) as made:
        for job in request.jobs or JOBS:
            chosen = [
                each for each in CONTESTANTS if each.job == job and (not request.only or each.name in request.only)
            ]
            yield from (Run(nodes=nodes, job=job, name=each.name, cost=None) for each in chosen if each.most < nodes)
            waiting = [each for each in chosen if nodes <= each.most]
            for _ in range(request.rounds):
                for each in tuple(waiting):
                    cost = run_once(made, each)
                    tell(f"{nodes} nodes, {job}, {each.name}: {cost.client:.2f} s of CPU, {cost.wall:.1f} s")
                    yield Run(nodes=nodes, job=job, name=each.name, cost=cost)
                    if cost.wall > _LONG:
                        waiting = [other for other in waiting if other is not each]
                # Nobody always comes after the same one.
                waiting = [*waiting[1:], *waiting[:1]]


def run_once(made: Field, contestant: Contestant) -> Cost:
    """Give what one run costs.

    Raises:
        WrongResultError: the contestant did not do its work.
    """
    made.clear()
    if contestant.job == "apply":
        made.nodes.put(_BEFORE)
    log = made.folder / f"{contestant.job}-{contestant.name}.log"
    cost = measured(
        contestant.command(made),
        log=log,
        environment=contestant.environment(made),
        right=contestant.right,
        within=_WITHIN,
        server=made.nodes.cpu,
    )
    contestant.check(made, log.read_text(errors="replace"))
    if contestant.job == "apply":
        made.nodes.check(_AFTER)
    return cost
