"""The unit that keeps the timeouts of IPVS."""

from collections.abc import Sequence
from dataclasses import replace

from fleet.kernel.boot import BootSet
from fleet.kernel.ipvs import ipvs_boot, timeouts_by_key
from fleet.kernel.keys_ipvs import IPVS_NAMES
from fleet.kernel.unitfile import is_enabled
from fleet.model.facts import IpvsTimeouts, NodeFacts, NodeFile
from fleet.plan.common import Context, is_managed, with_files
from fleet.plan.decide import Goal
from fleet.render import IpvsChange, Reason, RenderedFile, RenderError, ipvs_timeouts_unit

IPVS_UNIT = "fleet-ipvs-timeouts.service"
IPVS_PATH = f"/etc/systemd/system/{IPVS_UNIT}"
IPVS_LINK = f"/etc/systemd/system/multi-user.target.wants/{IPVS_UNIT}"


def ipvs_unit(goals: Sequence[Goal], facts: NodeFacts, context: Context) -> RenderedFile:
    """The unit that sets the timeouts of IPVS, now and at each boot.

    Args:
        goals: about these timeouts; one that has none stays as an earlier plan wrote it.
        facts: of the node as it is.
        context: of the plan.

    Raises:
        RenderError: a value does not fit, the name is taken, or the node has no ipvsadm.
    """
    present = facts.files.get(IPVS_PATH)
    if present is not None and not is_managed(present):
        raise RenderError(f"{IPVS_PATH} is a file of somebody else: move it away")
    wanted = {goal.key: goal.value for goal in goals}
    for key, boot in ipvs_boot(facts).items():
        if isinstance(boot, BootSet) and boot.winner.origin.path == IPVS_PATH:
            wanted.setdefault(key, boot.value)
    tcp, tcp_fin, udp = (int(wanted.get(key, "0")) for key in IPVS_NAMES)
    before = facts.ipvs.timeouts
    return ipvs_timeouts_unit(
        context.templates,
        path=IPVS_PATH,
        change=IpvsChange(
            timeouts=IpvsTimeouts(tcp=tcp, tcp_fin=tcp_fin, udp=udp),
            before=before if isinstance(before, IpvsTimeouts) else None,
            reasons=[Reason(control=goal.controls[0], why=goal.wants[0].control.why) for goal in goals],
        ),
        programs=facts.programs,
        playbook=context.playbook,
    )


def with_ipvs_unit(facts: NodeFacts, file: RenderedFile) -> NodeFacts:
    """The facts of a node on which the unit is there and enabled."""
    link = NodeFile(path=IPVS_LINK, kind="link", link=IPVS_PATH, content=file.content)
    after = with_files(facts, [file])
    return after if is_enabled(facts.files, IPVS_UNIT) else replace(after, files={**after.files, IPVS_LINK: link})


def with_timeouts(facts: NodeFacts, goals: Sequence[Goal]) -> NodeFacts:
    """The facts of a node whose timeouts of IPVS are as the goals have them now."""
    if not isinstance(facts.ipvs.timeouts, IpvsTimeouts):
        return facts
    wanted = {**timeouts_by_key(facts.ipvs.timeouts), **{goal.key: goal.value for goal in goals if goal.live}}
    tcp, tcp_fin, udp = (int(wanted[key] or 0) for key in IPVS_NAMES)
    return replace(facts, ipvs=replace(facts.ipvs, timeouts=IpvsTimeouts(tcp=tcp, tcp_fin=tcp_fin, udp=udp)))
