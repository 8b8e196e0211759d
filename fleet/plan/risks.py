"""What a reviewer should know before a plan is applied."""

from collections.abc import Iterator, Sequence

from fleet.kernel.boot.acceptance import BUCKETS, PORT_RANGE
from fleet.kernel.boot.resolve import MAX
from fleet.kernel.invalid import BE_LIBERAL
from fleet.kernel.kube import distribution, proxy_mode
from fleet.kernel.number import parse_number
from fleet.kernel.ports import DEFAULT_NODE_PORTS, ephemeral_ports
from fleet.kernel.portset import PortSet
from fleet.kernel.sizing import ASSUMED_OBJECT_BYTES, BUCKET_BYTES
from fleet.model.facts import NodeFacts
from fleet.plan.decide import Goal
from fleet.plan.draft import Draft

RESERVED_PORTS = "net.ipv4.ip_local_reserved_ports"

_MIB = 2**20


def risks(goals: Sequence[Goal], facts: NodeFacts, made: Draft) -> tuple[str, ...]:
    """Name the risks of a node's changes, each in one sentence.

    Args:
        goals: what is changed.
        facts: of the node as it is.
        made: its files, with the facts as they will be.
    """
    found = (
        *_memory(goals, facts),
        *_node_ports(goals, made.after),
        *_trap(goals, facts),
        *_shorter(goals, facts),
        *_restarts(made),
    )
    return tuple(dict.fromkeys(found))


def _memory(goals: Sequence[Goal], facts: NodeFacts) -> Iterator[str]:
    size = facts.conntrack.object_bytes
    costs = {MAX: size if isinstance(size, int) else ASSUMED_OBJECT_BYTES, BUCKETS: BUCKET_BYTES}
    for goal in goals:
        present = _number(_live(facts, goal.key))
        wanted = _number(goal.value)
        if goal.live and goal.key in costs and present is not None and wanted is not None and wanted > present:
            more = (wanted - present) * costs[goal.key] / _MIB
            when = "when the table is full" if goal.key == MAX else "at once"
            yield f"{goal.key}: {wanted:,} instead of {present:,} takes {more:,.0f} MiB more kernel memory {when}"


def _node_ports(goals: Sequence[Goal], after: NodeFacts) -> Iterator[str]:
    if not {goal.key for goal in goals} & {PORT_RANGE, RESERVED_PORTS} or distribution(after) == "none":
        return
    offered, reserved = _live(after, PORT_RANGE), _live(after, RESERVED_PORTS)
    if offered is None or reserved is None:
        return
    taken = ephemeral_ports(offered, reserved).intersection(PortSet.parse(DEFAULT_NODE_PORTS))
    if len(taken):
        yield f"outgoing connections may still take the NodePorts {taken}"


def _trap(goals: Sequence[Goal], facts: NodeFacts) -> Iterator[str]:
    turned_on = any(goal.key == BE_LIBERAL and goal.value == "1" for goal in goals)
    if turned_on and proxy_mode(facts).mode == "iptables":
        yield (
            f"{BE_LIBERAL}: once this is 1, kube-proxy 1.29 and later starts without its INVALID rule; going back to 0"
            " then leaves neither until kube-proxy starts again"
        )


def _shorter(goals: Sequence[Goal], facts: NodeFacts) -> Iterator[str]:
    for goal in goals:
        present, wanted = _number(_live(facts, goal.key)), _number(goal.value)
        if not goal.live or "timeout" not in goal.key or present is None or wanted is None or wanted >= present:
            continue
        yield f"{goal.key}: live connections feel the shorter time, {wanted} seconds instead of {present}"


def _restarts(made: Draft) -> Iterator[str]:
    for file in made.files:
        if file.path.startswith("/etc/rancher/"):
            product = file.path.split("/")[3]
            yield f"{file.path}: {product} reads it when it starts again; until then it would write its old values"


def _live(facts: NodeFacts, key: str) -> str | None:
    sysctl = facts.sysctls.get(key)
    return sysctl.value if sysctl is not None and isinstance(sysctl.value, str) else None


def _number(text: str | None) -> int | None:
    try:
        return None if text is None else parse_number(text)
    except ValueError:
        return None
