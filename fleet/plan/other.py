"""Controls of other settings than sysctl keys: modules can be loaded, the rest is only looked at."""

from fleet.plan.draft import MODULES_NAMES, Context
from fleet.plan.model import Kept, Refused
from fleet.policy.predicate import Term
from fleet.policy.wanted import Wanted
from fleet.render import ModuleLine, RenderError, modules_file


def decide_other(want: Wanted, context: Context) -> ModuleLine | Kept | Refused:
    """Decide about a module, a fact or a file."""
    control, finding = want.control, want.finding
    target = control.setting.target
    if not want.is_held:
        return Kept(target=target, control=control.id, why="skipped", reason=finding.reason)
    if finding.status == "pass":
        return Kept(target=target, control=control.id, why="noop", reason=finding.reason)
    loads = want.expect is not None and Term("loaded", operand=True) in want.expect.terms
    if control.setting.kind == "module" and loads:
        line = ModuleLine(module=target, control=control.id, why=control.why)
        try:
            modules_file(context.templates, path=MODULES_NAMES[0], modules=[line], playbook=context.playbook)
        except RenderError as error:
            return Refused(target=target, controls=(control.id,), reason=str(error))
        return line
    reason = f"a plan changes sysctl keys and loads modules, nothing else: {finding.reason}"
    return Kept(target=target, control=control.id, why="no-set", reason=reason)
