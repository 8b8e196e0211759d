"""What a node would be without, were a run taken back: the trap of be_liberal and kube-proxy's INVALID rule."""

from collections.abc import Iterable
from dataclasses import replace

from fleet.facts.tree import mask_file
from fleet.kernel.invalid import BE_LIBERAL
from fleet.kernel.outlook import look_ahead
from fleet.model.facts import NodeFacts, NodeFile, Sysctl
from fleet.plan import Change, NodePlan


def is_about_protection(plan: NodePlan) -> bool:
    """Whether taking a plan back may take be_liberal back, now or at the next boot."""
    return BE_LIBERAL in plan.next_boot or any(change.target == BE_LIBERAL for change in plan.changes)


def unprotected(plan: NodePlan, facts: NodeFacts) -> tuple[str, ...]:
    """Why taking a plan back would leave a node worse than it was before: INVALID segments could reset connections.

    A node that nothing protected before the plan either is only as it was then.

    Args:
        plan: what was carried out, with what protected the node before.
        facts: of the node as it is now.
    """
    before = () if plan.preconditions is None else plan.preconditions.protected
    now = look_ahead(facts, ()).protection.moments
    then = look_ahead(_taken_back(facts, reversed(plan.changes)), ()).protection.moments
    return tuple(
        f"{moment.replace('_', ' ')} the node is {now[moment].status}, was protected before the run"
        f" too, and would then not be: {verdict.reason}"
        for moment, verdict in then.items()
        if moment in before and verdict.status == "unprotected" and now[moment].status.startswith("protected")
    )


def _taken_back(facts: NodeFacts, changes: Iterable[Change]) -> NodeFacts:
    sysctls, files = dict(facts.sysctls), dict(facts.files)
    for change in changes:
        if change.kind == "sysctl" and change.before is not None:
            sysctls[change.target] = Sysctl(key=change.target, value=change.before, writable=True)
        elif change.kind == "file" and (before := change.bytes_before) is None:
            files.pop(change.target, None)
        elif change.kind == "file" and before is not None:
            content = mask_file(change.target, before)
            files[change.target] = NodeFile(path=change.target, kind="file", content=content)
    return replace(facts, sysctls=sysctls, files=files)
