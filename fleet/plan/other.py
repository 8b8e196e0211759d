"""Controls of other settings than sysctl keys: modules can be loaded, the rest is only looked at."""

from fleet.plan.model import Kept
from fleet.policy.predicate import Term
from fleet.policy.wanted import Wanted
from fleet.render import ModuleLine


def decide_other(want: Wanted) -> ModuleLine | Kept:
    """Decide about a module, a fact or a file."""
    control, finding = want.control, want.finding
    target = control.setting.target
    if not want.is_held:
        return Kept(target=target, control=control.id, why="skipped", reason=finding.reason)
    if finding.status == "pass":
        return Kept(target=target, control=control.id, why="noop", reason=finding.reason)
    loads = want.expect is not None and Term("loaded", operand=True) in want.expect.terms
    if control.setting.kind == "module" and loads:
        return ModuleLine(module=target, control=control.id, why=control.why)
    reason = f"a plan changes sysctl keys and loads modules, nothing else: {finding.reason}"
    return Kept(target=target, control=control.id, why="no-set", reason=reason)
