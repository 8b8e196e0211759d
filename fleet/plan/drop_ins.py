"""Drop-ins for the units of a node's services."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fleet.kernel.outlook import look_ahead
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
    """What the drop-in has, what the goals make of that and, where it is asked for, all keys of modules.

    Empty where that is what it has already.
    """
    path = drop_in_path(service)
    held = late_keys(context.wants)
    own = {path: facts.files[path]} if path in facts.files else {}
    earlier = {key: start.value for key, start in start_values(own, service).items()}
    planned = {goal.key: goal.value for goal in goals}
    outlooks = look_ahead(facts, held).keys
    values: dict[str, str] = {}
    for key in (*(held if asked else ()), *earlier):
        # What fails and is not planned was refused: it is not written here either.
        is_right = key in held and all(want.finding.status != "fail" for want in held[key])
        candidates = (earlier.get(key), outlooks[key].file_value, outlooks[key].live) if is_right else ()
        acceptable = (each for each in candidates if each and all(want.accepts(each) for want in held[key]))
        value = planned.get(key) or next(acceptable, None) or earlier.get(key)
        if value is not None:
            values[key] = value
    # Another playbook's header alone is no reason to write it anew.
    return () if values == earlier else tuple(_line(key, value, held) for key, value in values.items())


def _line(key: str, value: str, held: Mapping[str, Sequence[Wanted]]) -> SysctlLine:
    if key not in held or not all(want.accepts(value) for want in held[key]):
        return SysctlLine(key=key, value=value, control=KEPT, why=KEPT_WHY)
    control = held[key][0].control
    return SysctlLine(key=key, value=value, control=control.id, why=control.why)
