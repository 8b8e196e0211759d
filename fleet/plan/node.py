"""The plan of one node: decided, drafted, and proved by the resolver and the writers' rules before it is given out."""

from collections.abc import Iterable, Iterator, Sequence

from fleet.kernel.boot import BootSet, BootUnknown
from fleet.kernel.catalogue import KEYS
from fleet.kernel.invalid import BE_LIBERAL
from fleet.kernel.outlook import KeyOutlook, look_ahead
from fleet.kernel.values import equal
from fleet.kernel.writers import proxy_settings, remedy
from fleet.model.facts import NodeFacts
from fleet.plan.changes import file_changes, live_changes, module_change
from fleet.plan.decide import Goal, decide
from fleet.plan.draft import Context, Draft, draft
from fleet.plan.model import Kept, NodePlan, Refused, Remedy
from fleet.plan.other import decide_other
from fleet.plan.preconditions import preconditions
from fleet.plan.risks import risks
from fleet.policy.evaluate import Evaluation
from fleet.policy.wanted import Wanted
from fleet.render import ModuleLine, ProxyField, Templates, kube_proxy_patch

CONFIG_MAP = "the kube-proxy ConfigMap"


def plan_node(evaluation: Evaluation, facts: NodeFacts, *, templates: Templates, playbook: str) -> NodePlan:
    """Plan one node.

    Args:
        evaluation: of the node, by the playbook.
        facts: of the node.
        templates: for its files.
        playbook: its name, for the files' headers.

    Raises:
        DocumentError: a template fails.
    """
    context = Context(templates=templates, playbook=playbook, wants=evaluation.wanted)
    outlook = look_ahead(facts, [key for key, _ in _by_key(evaluation.wanted)])
    goals: dict[str, Goal] = {}
    kept: list[Kept] = []
    refused: list[Refused] = []
    for key, wants in _by_key(evaluation.wanted):
        _sort(decide(key, wants, facts, outlook.keys[key]), goals, kept, refused)
    modules: list[ModuleLine] = []
    for want in evaluation.wanted:
        if want.control.setting.kind != "sysctl":
            other = decide_other(want)
            if isinstance(other, ModuleLine):
                modules.append(other)
            else:
                kept.append(other)
    made, unmet, remedies = _proved(goals, modules, facts, context)
    held = tuple(goals.values())
    return NodePlan(
        changes=(
            *file_changes(made, facts, held),
            *(module_change(line) for line in modules),
            *live_changes(held, facts),
        ),
        kept=(*kept, *_out_of_reach(held)),
        refused=(*refused, *unmet),
        remedies=remedies,
        risks=risks(held, facts, made),
        preconditions=preconditions(held, made, facts, outlook) if made.files or held else None,
    )


def _by_key(wants: Sequence[Wanted]) -> Iterable[tuple[str, Sequence[Wanted]]]:
    keys: dict[str, list[Wanted]] = {}
    for want in wants:
        if want.control.setting.kind == "sysctl":
            keys.setdefault(want.control.setting.target, []).append(want)
    return keys.items()


def _sort(
    outcome: Goal | Refused | tuple[Kept, ...], goals: dict[str, Goal], kept: list[Kept], refused: list[Refused]
) -> None:
    match outcome:
        case Goal():
            goals[outcome.key] = outcome
        case Refused():
            refused.append(outcome)
        case _:
            kept.extend(outcome)


def _proved(
    goals: dict[str, Goal], modules: Sequence[ModuleLine], facts: NodeFacts, context: Context
) -> tuple[Draft, tuple[Refused, ...], tuple[Remedy, ...]]:
    """Draft until everything that is left in it holds; what does not is taken out of the goals."""
    refused: list[Refused] = []
    remedies: list[Remedy] = []
    while True:
        made = draft(tuple(goals.values()), modules, facts, context)
        problems = _problems(tuple(goals.values()), made, facts, context)
        for problem in problems:
            goals.pop(problem.target)
            if isinstance(problem, Remedy):
                remedies.append(problem)
            else:
                refused.append(problem)
        if not problems:
            return made, tuple(refused), tuple(remedies)


def _problems(goals: Sequence[Goal], made: Draft, facts: NodeFacts, context: Context) -> list[Refused | Remedy]:
    after = look_ahead(made.after, [goal.key for goal in goals])
    found: list[Refused | Remedy] = []
    for goal in goals:
        outlook = after.keys[goal.key]
        if goal.key in made.unwritable:
            found.append(Refused(target=goal.key, controls=goal.controls, reason=made.unwritable[goal.key]))
        elif reason := _boot_violation(goal, outlook):
            found.append(Refused(target=goal.key, controls=goal.controls, reason=reason))
        elif any(want.control.state != "live" for want in goal.wants) and not goal.accepts(outlook.after_reboot.value):
            found.append(_overruled(goal, outlook, context))
    before = look_ahead(facts, ())
    for moment, verdict in after.protection.moments.items():
        was = before.protection.moments[moment].status
        if verdict.status == "unprotected" and was.startswith("protected"):
            reason = f"the node is {was} {moment.replace('_', ' ')}, and would then be without: {verdict.reason}"
            known = {problem.target for problem in found}
            found += [
                Refused(target=goal.key, controls=goal.controls, reason=reason)
                for goal in goals
                if goal.key == BE_LIBERAL and goal.key not in known
            ]
    return found


def _boot_violation(goal: Goal, outlook: KeyOutlook) -> str:
    """Why the files do not leave the value that they are there for; empty where they do."""
    if not goal.boot:
        return ""
    if isinstance(outlook.boot, BootSet) and equal(goal.key, outlook.boot.value, goal.value):
        return ""
    if isinstance(outlook.boot, BootUnknown):
        return f"what the next boot would leave cannot be proved: {outlook.boot.reason}"
    left = "nothing" if outlook.file_value is None else outlook.file_value
    return f"whatever the file is called, the next boot would leave {left} and not {goal.value}: {outlook.boot_cause}"


def _overruled(goal: Goal, outlook: KeyOutlook, context: Context) -> Refused | Remedy:
    writer = next((each for each in outlook.writers if not goal.accepts(each.value)), None)
    if writer is None:
        reason = f"the value after the next boot cannot be proved: {outlook.after_reboot.reason}"
        return Refused(target=goal.key, controls=goal.controls, reason=reason)
    text = remedy(writer, goal.key, goal.value)
    settings = proxy_settings(goal.key, goal.value)
    if writer.place != CONFIG_MAP or not settings:
        reason = f"{outlook.after_reboot.reason}, which would undo the change. {text}"
        return Refused(target=goal.key, controls=goal.controls, reason=reason)
    why = goal.wants[0].control.why
    fields = [ProxyField(name=each.field, value=each.value, control=goal.controls[0], why=why) for each in settings]
    patch = kube_proxy_patch(context.templates, fields=fields, playbook=context.playbook)
    return Remedy(target=goal.key, writer=writer.name, text=text, patch=patch, controls=goal.controls)


def _out_of_reach(goals: Iterable[Goal]) -> Iterator[Kept]:
    for goal in goals:
        key = KEYS.get(goal.key)
        scope = next((want.control.scope for want in goal.wants), None)
        if scope == "namespace":
            remedy_ = key.pod_remedy if key is not None else ""
            reason = f"pods keep their own value{f': {remedy_}' if remedy_ else ''}"
            yield Kept(target=goal.key, control=goal.controls[0], why="scope", reason=reason)
