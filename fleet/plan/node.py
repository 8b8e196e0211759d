"""The plan of one node: decided, drafted, and proved by the resolver and the writers' rules before it is given out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from fleet.kernel.boot import BootSet, BootUnknown
from fleet.kernel.catalogue import KEYS
from fleet.kernel.invalid import BE_LIBERAL
from fleet.kernel.outlook import KeyOutlook, Outlook
from fleet.kernel.values import equal
from fleet.kernel.writers import proxy_settings, remedy
from fleet.model.facts import NodeFacts
from fleet.plan.changes import file_changes, live_changes, module_change
from fleet.plan.checker import Checker, Checking, add_checker
from fleet.plan.common import Context
from fleet.plan.decide import Goal, decide
from fleet.plan.draft import Draft, draft
from fleet.plan.drop_ins import asking
from fleet.plan.model import Kept, NodePlan, Refused, Remedy
from fleet.plan.other import decide_other
from fleet.plan.preconditions import preconditions
from fleet.plan.risks import risks
from fleet.plan.services import readers, unit_changes
from fleet.policy.evaluate import Evaluation
from fleet.policy.wanted import Wanted
from fleet.render import ModuleLine, ProxyField, Templates, drop_in_path, kube_proxy_patch

CONFIG_MAP = "the kube-proxy ConfigMap"


def plan_node(  # noqa: PLR0913 each says one thing about the node
    evaluation: Evaluation,
    facts: NodeFacts,
    *,
    templates: Templates,
    playbook: str,
    restart: Sequence[str] = (),
    checking: Checking | None = None,
) -> NodePlan:
    """Plan one node.

    Args:
        evaluation: of the node, by the playbook.
        facts: of the node.
        templates: for its files.
        playbook: its name, for the files' headers.
        restart: services that may be restarted where a file that they read is changed, such as ``k3s``.
        checking: how the node is to check itself; None where it is not.

    Raises:
        DocumentError: a template fails.
    """
    context = Context(templates=templates, playbook=playbook, wants=evaluation.wanted)
    outlook = evaluation.outlook
    goals: dict[str, Goal] = {}
    kept: list[Kept] = []
    refused: list[Refused] = []
    for key, wants in _by_key(evaluation.wanted):
        _sort(decide(key, wants, facts, outlook.keys[key]), goals, kept, refused)
    modules: list[ModuleLine] = []
    for want in evaluation.wanted:
        if want.control.setting.key is None:
            other = decide_other(want, context)
            match other:
                case ModuleLine():
                    modules.append(other)
                case Refused():
                    refused.append(other)
                case Kept():
                    kept.append(other)
                case None:
                    pass  # a drop-in, which the draft makes
    made, unmet, remedies = _proved(goals, modules, facts, outlook, context)
    held = tuple(goals.values())
    checker = add_checker(made, facts, context, checking) if checking is not None else Checker()
    made = replace(made, files=(*made.files, *checker.files))
    units = (*unit_changes(held, made, facts, restart), *checker.units)
    involved = {*(unit.target for unit in units), *(f"{service}.service" for service in readers(made, facts))}
    unloaded = {each.target for each in made.refused}
    changes = (
        *file_changes(made, facts, held),
        *(module_change(line) for line in modules if line.module not in unloaded),
        *live_changes(held, facts),
        *units,
    )
    return NodePlan(
        changes=changes,
        kept=(
            *(each for each in kept if each.target not in goals),
            *_not_done(held),
            *_complete(made, context),
            *checker.kept,
        ),
        refused=(*refused, *unmet, *made.refused, *checker.refused),
        remedies=remedies,
        risks=(*risks(held, facts, made, units), *checker.risks),
        preconditions=preconditions(held, made, facts, outlook, involved | checker.rests_on(facts))
        if changes or held
        else None,
        next_boot=_next_boot(held, made),
    )


def _next_boot(goals: Sequence[Goal], made: Draft) -> Mapping[str, str]:
    left = {goal.key: made.outlook.keys[goal.key].after_reboot.value for goal in goals}
    return {key: value for key, value in left.items() if value is not None}


def _by_key(wants: Sequence[Wanted]) -> Iterable[tuple[str, Sequence[Wanted]]]:
    keys: dict[str, list[Wanted]] = {}
    for want in wants:
        if want.control.setting.key is not None:
            keys.setdefault(want.control.setting.key, []).append(want)
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
    goals: dict[str, Goal], modules: list[ModuleLine], facts: NodeFacts, before: Outlook, context: Context
) -> tuple[Draft, tuple[Refused, ...], tuple[Remedy, ...]]:
    """Draft until everything that is left in it holds, and nothing else gets worse by it.

    Goals that cannot be reached are taken out; keys that the others would spoil become goals.
    """
    refused: list[Refused] = []
    remedies: list[Remedy] = []
    spoilt: set[str] = set()
    yielded: set[str] = set()
    while True:
        made = draft(tuple(goals.values()), modules, facts, context)
        if slipping := _slipping(goals, made):
            goals.update(slipping)
            continue
        if content := {key: goal for key, goal in _content(goals, made).items() if key not in yielded}:
            goals.update(content)
            yielded.update(content)
            continue
        problems = _problems(tuple(goals.values()), made, before, context)
        for problem in problems:
            goals.pop(problem.target)
            if isinstance(problem, Remedy):
                remedies.append(problem)
            else:
                refused.append(problem)
        if beyond_help := next((problem for problem in problems if problem.target in spoilt), None):
            reason = f"it would leave {beyond_help.target} wrong at the next boot, which cannot be helped"
            refused += [Refused(target=goal.key, controls=goal.controls, reason=reason) for goal in goals.values()]
            refused += [Refused(target=line.module, controls=(line.control,), reason=reason) for line in modules]
            goals.clear()
            modules.clear()
        elif not problems:
            done = {*goals, *(each.target for each in refused), *(each.target for each in remedies)}
            more = {goal.key: goal for goal in _spoilt(made, before, context) if goal.key not in done}
            if not more:
                return made, tuple(refused), tuple(remedies)
            goals.update(more)
            spoilt.update(more)


def _slipping(goals: Mapping[str, Goal], made: Draft) -> Mapping[str, Goal]:
    """Goals that needed no file before, and need one with the drafted files, such as where a lost line wakes up."""
    after = made.outlook.keys
    return {
        key: replace(goal, boot=True)
        for key, goal in goals.items()
        if not goal.boot and goal.lasts and not goal.accepts(after[key].after_reboot.value)
    }


def _content(goals: Mapping[str, Goal], made: Draft) -> Mapping[str, Goal]:
    """Goals that another file keeps from their value, with a value that is acceptable too: then that one is taken."""
    after = {} if made.unwritable else made.outlook.keys
    return {
        key: replace(goals[key], value=outlook.after_reboot.value, boot=False)
        for key, outlook in after.items()
        if key in goals
        and _boot_violation(goals[key], outlook)
        and outlook.after_reboot.value is not None
        and goals[key].accepts(outlook.after_reboot.value)
    }


def _spoilt(made: Draft, before: Outlook, context: Context) -> Iterator[Goal]:
    """Keys that are right now and that the drafted files would leave wrong, such as a line that was lost before."""
    for key, wants in _by_key(context.wants):
        held = tuple(want for want in wants if want.is_held and want.control.state != "live")
        present, then = before.keys[key], made.outlook.keys[key]
        was, left, live = present.after_reboot.value, then.after_reboot.value, present.live
        goal = Goal(key=key, value=live or "", live=False, boot=True, wants=held, reason="")
        if left is not None and not goal.accepts(left) and goal.accepts(live) and (was is None or goal.accepts(was)):
            yield replace(goal, reason=f"with the other changes the next boot would leave {left} ({then.cause})")


def _problems(goals: Sequence[Goal], made: Draft, before: Outlook, context: Context) -> list[Refused | Remedy]:
    if made.unwritable:
        # What the others come to is not known before the files are made without these.
        return [
            Refused(target=goal.key, controls=goal.controls, reason=made.unwritable[goal.key])
            for goal in goals
            if goal.key in made.unwritable
        ]
    after = made.outlook
    found: list[Refused | Remedy] = []
    for goal in goals:
        outlook = after.keys[goal.key]
        if reason := _boot_violation(goal, outlook):
            found.append(Refused(target=goal.key, controls=goal.controls, reason=reason))
        elif goal.lasts and not goal.accepts(outlook.after_reboot.value):
            found.append(_overruled(goal, outlook, context))
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
    unproved = f"the value after the next boot cannot be proved: {outlook.after_reboot.reason}"
    writer = next((each for each in outlook.writers if not goal.accepts(each.value)), None)
    if writer is None:
        return Refused(target=goal.key, controls=goal.controls, reason=unproved)
    text = remedy(writer, goal.key, goal.value)
    settings = proxy_settings(goal.key, goal.value)
    if writer.place != CONFIG_MAP or not settings:
        undone = f"{outlook.after_reboot.reason}, which would undo the change"
        reason = f"{unproved if outlook.after_reboot.value is None else undone}. {text}"
        return Refused(target=goal.key, controls=goal.controls, reason=reason)
    why = goal.wants[0].control.why
    fields = [ProxyField(name=each.field, value=each.value, control=goal.controls[0], why=why) for each in settings]
    patch = kube_proxy_patch(context.templates, fields=fields, playbook=context.playbook)
    return Remedy(target=goal.key, writer=writer.name, text=text, patch=patch, controls=goal.controls)


def _complete(made: Draft, context: Context) -> Iterator[Kept]:
    """Drop-ins that fail only for keys that are not planned."""
    written = {file.path for file in made.files}
    refused = {each.target for each in made.refused}
    for want in asking(context.wants):
        service = want.control.setting.target
        if drop_in_path(service) not in written and f"{service}.service" not in refused:
            reason = "its drop-in has all that can be planned: the rest is refused, or changed in the cluster"
            yield Kept(target=f"{service}.service", control=want.control.id, why="noop", reason=reason)


def _not_done(goals: Iterable[Goal]) -> Iterator[Kept]:
    for goal in goals:
        if not goal.live and not goal.boot:
            reason = f"with the other changes the next boot leaves {goal.value}"
            yield Kept(target=goal.key, control=goal.controls[0], why="noop", reason=reason)
            continue
        key = KEYS.get(goal.key)
        scope = next((want.control.scope for want in goal.wants), None)
        if scope == "namespace":
            remedy_ = key.pod_remedy if key is not None else ""
            reason = f"pods keep their own value{f': {remedy_}' if remedy_ else ''}"
            yield Kept(target=goal.key, control=goal.controls[0], why="scope", reason=reason)
