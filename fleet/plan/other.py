"""Controls of other settings than sysctl keys: modules can be loaded, the rest is only looked at."""

from fleet.plan.common import Context
from fleet.plan.draft import MODULES_NAMES
from fleet.plan.model import Kept, Refused
from fleet.policy.predicate import Term
from fleet.policy.wanted import Wanted
from fleet.render import ModuleLine, RenderError, modules_file


def decide_other(want: Wanted, context: Context) -> ModuleLine | Kept | Refused | None:
    """Decide about a module, a fact or a file; None for a drop-in that is to be written."""
    control, finding = want.control, want.finding
    is_drop_in = control.setting.kind == "drop_in"
    target = f"{control.setting.target}.service" if is_drop_in else control.setting.target
    if not want.is_held:
        return Kept(target=target, control=control.id, why="skipped", reason=finding.reason)
    if finding.status == "pass":
        return Kept(target=target, control=control.id, why="noop", reason=finding.reason)
    if is_drop_in:
        return None
    loads = want.expect is not None and Term("loaded", operand=True) in want.expect.terms
    if control.setting.kind == "module" and loads:
        line = ModuleLine(module=target, control=control.id, why=control.why)
        try:
            modules_file(context.templates, path=MODULES_NAMES[0], modules=[line], playbook=context.playbook)
        except RenderError as error:
            return Refused(target=target, controls=(control.id,), reason=str(error))
        return line
    reason = f"a plan changes keys, modules and units, nothing else: {finding.reason}"
    return Kept(target=target, control=control.id, why="no-set", reason=reason)
