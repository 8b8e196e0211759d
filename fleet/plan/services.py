"""What a plan means for the services of a node: which read a changed file, and which units are started for it."""

from collections.abc import Iterator, Sequence

from fleet.kernel.keys_ipvs import IPVS_NAMES
from fleet.kernel.services import SERVICES, Service, running, service_of
from fleet.kernel.unitfile import is_enabled
from fleet.model.facts import NodeFacts
from fleet.plan.common import KEPT
from fleet.plan.decide import Goal
from fleet.plan.draft import Draft
from fleet.plan.ipvs import IPVS_UNIT
from fleet.plan.model import Change
from fleet.render import SNIPPET_NAMES, drop_in_path

_DROP_INS = {drop_in_path(service): service for service in SERVICES}
_RUNNING = "running"


def unit_changes(goals: Sequence[Goal], made: Draft, facts: NodeFacts, restart: Sequence[str]) -> Iterator[Change]:
    """Units to enable and to restart, in the order in which this is done.

    Args:
        goals: what is changed.
        made: the files for it.
        facts: of the node as it is.
        restart: services that may be restarted where a file that they read is changed, with or without ``.service``.
    """
    timeouts = [goal for goal in goals if goal.key in IPVS_NAMES]
    if timeouts:
        enabled = is_enabled(facts.files, IPVS_UNIT)
        yield _change(
            IPVS_UNIT,
            _RUNNING if enabled else "not enabled",
            "restarted" if enabled else "enabled",
            "; ".join(f"{goal.key} {goal.reason}" for goal in timeouts),
            tuple(dict.fromkeys(control for goal in timeouts for control in goal.controls)),
        )
    named = {name.removesuffix(".service") for name in restart}
    for service, paths in readers(made, facts).items():
        if service in named and service in running(facts):
            controls = dict.fromkeys(
                control for file in made.files if file.path in paths for control in file.controls if control != KEPT
            )
            reason = f"it reads {' and '.join(paths)} when it starts"
            yield _change(f"{service}.service", _RUNNING, "restarted", reason, tuple(controls))


def readers(made: Draft, facts: NodeFacts) -> dict[Service, tuple[str, ...]]:
    """The services that read files of the plan when they start, with these files."""
    processes = facts.processes if isinstance(facts.processes, tuple) else ()
    found: dict[Service, tuple[str, ...]] = {}
    for file in made.files:
        service = _DROP_INS.get(file.path)
        if file.path.endswith(SNIPPET_NAMES):
            service = next((each for each in map(service_of, processes) if each not in {None, "kubelet"}), None)
        if service is not None:
            found[service] = (*found.get(service, ()), file.path)
    return found


def _change(unit: str, before: str, after: str, reason: str, controls: tuple[str, ...]) -> Change:
    return Change(
        kind="unit",
        target=unit,
        before=before,
        after=after,
        diff=f"{before} -> {after}",
        reason=reason,
        controls=controls,
    )
