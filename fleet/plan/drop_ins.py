"""Drop-ins for the units of a node's services."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fleet.kernel.outlook import KeyOutlook, look_ahead
from fleet.kernel.services import SERVICES, Service, start_values
from fleet.model.facts import NodeFacts
from fleet.plan.common import KEPT, KEPT_WHY, Context, is_managed, is_there
from fleet.plan.decide import Goal
from fleet.plan.model import Refused
from fleet.policy.drop_in import late_keys
from fleet.policy.wanted import Wanted
from fleet.render import RenderedFile, RenderError, SysctlLine, drop_in_path, service_drop_in


@dataclass(frozen=True, slots=True, kw_only=True)
class DropIns:
    """Drop-ins to write, and why others cannot be written."""

    files: tuple[RenderedFile, ...]
    refused: tuple[Refused, ...]


def drop_ins(goals: Sequence[Goal], facts: NodeFacts, context: Context) -> DropIns:
    """The drop-ins that controls ask for, and those of an earlier plan that hold another value than the goals.

    Args:
        goals: what is changed.
        facts: of the node, with the other files of the plan.
        context: of the plan.
    """
    files: list[RenderedFile] = []
    refused: list[Refused] = []
    asked = {want.control.setting.target: want for want in asking(context.wants)}
    for service in SERVICES:
        want = asked.get(service)
        try:
            file = _drop_in(service, goals, facts, context, asked=want is not None)
        except RenderError as error:
            controls = (want.control.id,) if want is not None else ()
            refused.append(Refused(target=f"{service}.service", controls=controls, reason=str(error)))
        else:
            files += [file] if file is not None and not is_there(facts, file) else []
    return DropIns(files=tuple(files), refused=tuple(refused))


def asking(wants: Sequence[Wanted]) -> tuple[Wanted, ...]:
    """The controls that a unit with a drop-in would content."""
    drop_ins = (want for want in wants if want.control.setting.kind == "drop_in")
    return tuple(want for want in drop_ins if want.is_held and want.finding.status != "pass")


def _drop_in(
    service: Service, goals: Sequence[Goal], facts: NodeFacts, context: Context, *, asked: bool
) -> RenderedFile | None:
    path = drop_in_path(service)
    present = facts.files.get(path)
    if present is not None and not is_managed(present):
        if asked:
            raise RenderError(f"{path} is a file of somebody else: move it away")
        return None
    if not asked and present is None:
        return None
    lines = _lines(service, goals, facts, context, asked=asked)
    if not lines:
        return None
    return service_drop_in(
        context.templates, service=service, settings=lines, programs=facts.programs, playbook=context.playbook
    )


def _lines(
    service: Service, goals: Sequence[Goal], facts: NodeFacts, context: Context, *, asked: bool
) -> tuple[SysctlLine, ...]:
    """What the drop-in has, what the goals make of that and, where it is asked for, all keys of modules."""
    path = drop_in_path(service)
    held = late_keys(context.wants)
    earlier = {
        key: start.value for key, start in start_values(facts.files, service).items() if start.command.path == path
    }
    planned = {goal.key: goal.value for goal in goals}
    outlooks = look_ahead(facts, held).keys
    values = {
        key: value
        for key in (*(held if asked else ()), *earlier)
        if (value := planned.get(key) or _acceptable(key, held, outlooks) or earlier.get(key)) is not None
    }
    return tuple(_line(key, value, held) for key, value in values.items())


def _acceptable(key: str, held: Mapping[str, Sequence[Wanted]], outlooks: Mapping[str, KeyOutlook]) -> str | None:
    """What the files leave, else what is live; None where neither is as the controls want it."""
    if key not in held:
        return None
    candidates = (outlooks[key].file_value, outlooks[key].live)
    return next((value for value in candidates if value and all(want.accepts(value) for want in held[key])), None)


def _line(key: str, value: str, held: Mapping[str, Sequence[Wanted]]) -> SysctlLine:
    if key not in held:
        return SysctlLine(key=key, value=value, control=KEPT, why=KEPT_WHY)
    control = held[key][0].control
    return SysctlLine(key=key, value=value, control=control.id, why=control.why)
