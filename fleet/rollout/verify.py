"""Whether a node is as its plan says, by facts that were read after the change over a new connection."""

from collections.abc import Iterator

from fleet.facts import ProbeRequest
from fleet.facts.tree import mask_file
from fleet.kernel.boot.acceptance import BUCKETS
from fleet.kernel.catalogue import KEYS
from fleet.kernel.outlook import look_ahead
from fleet.kernel.values import equal
from fleet.model.facts import NodeFacts, Unavailable
from fleet.model.rollout import ChangeResult
from fleet.model.text import printable
from fleet.plan import Change, NodePlan
from fleet.plan.preconditions import moved_files
from fleet.policy.context import all_modules

# The kernel rounds the table up to whole pages, of 64 KiB at most.
_LARGEST_PAGE_OF_BUCKETS = 8192


def what_to_read(plan: NodePlan) -> ProbeRequest:
    """What the probe has to read to tell whether a plan was and may be carried out."""
    live = plan.preconditions.live if plan.preconditions is not None else {}
    files = tuple(change.target for change in plan.changes if change.kind == "file")
    return ProbeRequest(keys=tuple(dict.fromkeys((*KEYS, *live, *plan.next_boot))), files=files)


def unlike_plan(plan: NodePlan, facts: NodeFacts) -> tuple[str, ...]:
    """What is not as planned, one sentence each: files, live values, modules, and what the next boot leaves."""
    return (*_changes(plan, facts), *_next_boot(plan, facts))


def moved_since(plan: NodePlan, facts: NodeFacts) -> tuple[str, ...]:
    """What has moved since the plan was made, of what only the controller can compare; nothing where all is done."""
    if plan.preconditions is None or not any(_changes(plan, facts)):
        return ()
    done = {change.target for change in plan.changes if change.kind == "file" and not any(_file(change, facts))}
    return moved_files(plan.preconditions, facts, done)


def altered(plan: NodePlan, results: tuple[ChangeResult, ...]) -> tuple[str, ...]:
    """The values that the kernel took otherwise than planned, as read right after they were written."""
    wanted = {change.target: change.after for change in plan.changes if change.kind == "sysctl"}
    return tuple(
        f"{each.target} was written as {wanted[each.target]}, and the kernel made {printable(each.read_back)} of it"
        for each in results
        if each.kind == "sysctl"
        and each.status == "changed"
        and each.read_back is not None
        and not as_written(each.target, wanted.get(each.target) or "", each.read_back)
    )


def _changes(plan: NodePlan, facts: NodeFacts) -> Iterator[str]:
    for change in plan.changes:
        match change.kind:
            case "file":
                yield from _file(change, facts)
            case "sysctl":
                yield from _live(change, facts)
            case "module":
                modules = all_modules(facts)
                if not isinstance(modules, Unavailable) and change.target not in modules:
                    yield f"the module {change.target} is not loaded"
            case "unit":
                pass  # the program on the node has seen that systemd did it


def _file(change: Change, facts: NodeFacts) -> Iterator[str]:
    file = facts.files.get(change.target)
    content = change.bytes_after
    if content is None:
        if file is not None:
            yield f"{change.target} is still there"
        return
    if file is None:
        yield f"{change.target} is not there"
    elif file.kind != "file" or file.content not in {content, mask_file(change.target, content)}:
        yield f"{change.target} has not the planned content"


def _live(change: Change, facts: NodeFacts) -> Iterator[str]:
    sysctl = facts.sysctls.get(change.target)
    if sysctl is None or isinstance(sysctl.value, Unavailable):
        yield f"{change.target} cannot be read any more"
    elif not as_written(change.target, change.after or "", sysctl.value):
        yield f"{change.target} is {printable(sysctl.value)}, not {change.after}"


def _next_boot(plan: NodePlan, facts: NodeFacts) -> Iterator[str]:
    outlooks = look_ahead(facts, plan.next_boot).keys
    for key, value in plan.next_boot.items():
        later = outlooks[key].after_reboot.value
        if later is None or not equal(key, later, value):
            left = "a value that is not known" if later is None else printable(later)
            yield f"the next boot would leave {left} in {key}, not {value}: {printable(outlooks[key].cause, 200)}"


def as_written(key: str, wanted: str, value: str) -> bool:
    """Whether the kernel makes this value of what was written; of the conntrack table it rounds the size up."""
    if key == BUCKETS and wanted.isdecimal() and value.isdecimal():
        return 0 <= int(value) - int(wanted) < _LARGEST_PAGE_OF_BUCKETS
    return equal(key, wanted, value)
