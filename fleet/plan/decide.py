"""Which sysctl keys of a node need another value, and which value: nothing here knows about files."""

from collections.abc import Sequence
from dataclasses import dataclass

from fleet.kernel.boot.effects import storage
from fleet.kernel.boot.resolve import MAX
from fleet.kernel.catalogue import KEYS
from fleet.kernel.key import Kind
from fleet.kernel.keys_ipvs import IPVS_NAMES
from fleet.kernel.outlook import KeyOutlook
from fleet.kernel.portset import PortSet
from fleet.kernel.values import equal
from fleet.model.facts import NodeFacts
from fleet.plan.model import Kept, KeptReason, Refused
from fleet.policy.wanted import Wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A key that is to get a value.

    Attributes:
        value: as the kernel prints it.
        live: whether it has to be written now.
        boot: whether a file has to set it for the next boot.
        wants: the controls that hold the key, those that ask for the change first.
        reason: the finding that asks for it.
    """

    key: str
    value: str
    live: bool
    boot: bool
    wants: tuple[Wanted, ...]
    reason: str

    @property
    def controls(self) -> tuple[str, ...]:
        """Their ids."""
        return tuple(want.control.id for want in self.wants)

    @property
    def lasts(self) -> bool:
        """Whether the controls ask for the value after the next boot too."""
        return any(want.control.state != "live" for want in self.wants)

    def accepts(self, value: str | None) -> bool:
        """Whether every control that holds the key is content with a value."""
        return all(want.accepts(value) for want in self.wants)


def decide(
    key: str, wants: Sequence[Wanted], facts: NodeFacts, outlook: KeyOutlook
) -> Goal | Refused | tuple[Kept, ...]:
    """Decide about one key.

    An acceptable value is never changed: where only one of the two states is wrong, it is given the other's, unless
    that is only the kernel's own default.

    Args:
        key: in dots.
        wants: the controls that name the key.
        facts: of the node.
        outlook: of the key.
    """
    held = [want for want in wants if want.is_held]
    failing = sorted((want for want in held if want.finding.status != "pass"), key=lambda want: want.value is None)
    if unjudged := [want for want in wants if want.finding.status == "error"]:
        return _refuse(key, unjudged, f"it cannot be judged: {unjudged[0].finding.reason}")
    if not failing:
        return tuple(_kept(want, "noop" if want.is_held else "skipped") for want in wants)
    later = outlook.after_reboot.value
    live_counts = any(want.control.state != "boot" for want in held)
    boot_counts = any(want.control.state != "live" for want in held)
    live_holds = all(want.accepts(outlook.live) for want in held)
    boot_holds = all(want.accepts(later) for want in held)
    if (live_holds or not live_counts) and (boot_holds or not boot_counts):
        return tuple(_kept(want, "owned" if want in failing else "noop") for want in wants)
    if live_holds and outlook.live is not None:
        value = outlook.live
    elif boot_holds and later is not None and (outlook.writers or outlook.file_value is not None):
        value = later
    elif failing[0].value is not None:
        value = _merged(key, failing[0].value, outlook)
    elif problem := next((want.problem for want in failing if want.problem), ""):
        return _refuse(key, failing, problem)
    else:
        return tuple(_kept(want, "no-set" if want in failing else "noop") for want in wants)
    goal = Goal(
        key=key,
        value=value,
        live=live_counts and not live_holds and not _is(key, outlook.live, value),
        boot=boot_counts and not _is(key, later, value),
        wants=(*failing, *(want for want in held if want not in failing)),
        reason=failing[0].finding.reason,
    )
    return _admitted(goal, facts)


def _admitted(goal: Goal, facts: NodeFacts) -> Goal | Refused:
    """The goal, unless writing it would be refused by the node or would harm it."""
    sysctl = facts.sysctls.get(goal.key)
    if unmet := next((want for want in goal.wants if not want.accepts(goal.value)), None):
        acceptable = unmet.expect.describe() if unmet.expect is not None else "something else"
        reason = f"{goal.value} would be written, but {unmet.control.id} expects {acceptable}"
        return _refuse(goal.key, goal.wants, reason)
    if goal.key in IPVS_NAMES:
        if facts.identity.init != "systemd":
            reason = f"only a unit of systemd keeps the timeouts of IPVS, and process 1 here is {facts.identity.init!r}"
            return _refuse(goal.key, goal.wants, reason)
        return goal
    if goal.live and facts.identity.uid == 0 and (sysctl is None or not sysctl.writable):
        return _refuse(goal.key, goal.wants, "the key is read-only here, as in a container or another namespace")
    if storage(goal.key) == MAX and goal.value.isdecimal():
        count = facts.conntrack.count
        if isinstance(count, int) and int(goal.value) < count:
            reason = f"the table holds {count} connections now: a limit of {goal.value} would drop new ones at once"
            return _refuse(goal.key, goal.wants, reason)
    return goal


def _merged(key: str, value: str, outlook: KeyOutlook) -> str:
    """A list of ports keeps what others have put there; any other value is taken as it is."""
    if key not in KEYS or KEYS[key].kind is not Kind.PORT_LIST:
        return value
    ports = PortSet.parse(value)
    for present in (outlook.live, outlook.file_value):
        ports = ports.union(PortSet.parse(present or ""))
    return str(ports)


def _is(key: str, live: str | None, value: str) -> bool:
    return live is not None and equal(key, live, value)


def _kept(want: Wanted, why: KeptReason) -> Kept:
    prefix = "the control says no value to write: " if why == "no-set" else ""
    reason = prefix + want.finding.reason
    return Kept(target=want.control.setting.target, control=want.control.id, why=why, reason=reason)


def _refuse(key: str, wants: Sequence[Wanted], reason: str) -> Refused:
    return Refused(target=key, controls=tuple(want.control.id for want in wants), reason=reason)
