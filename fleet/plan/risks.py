"""What a reviewer should know before a plan is applied."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from fleet.kernel.boot.acceptance import BUCKETS, PORT_RANGE
from fleet.kernel.boot.resolve import MAX
from fleet.kernel.invalid import BE_LIBERAL
from fleet.kernel.ipvs import timeouts_by_key
from fleet.kernel.kube import distribution, proxy_mode
from fleet.kernel.number import parse_number
from fleet.kernel.ports import DEFAULT_NODE_PORTS, ephemeral_ports
from fleet.kernel.portset import PortSet
from fleet.kernel.services import SERVICES, Service
from fleet.kernel.sizing import ASSUMED_OBJECT_BYTES, BUCKET_BYTES
from fleet.model.facts import NodeFacts
from fleet.plan.decide import Goal
from fleet.plan.draft import Draft
from fleet.plan.model import Change
from fleet.plan.services import readers
from fleet.render import drop_in_path

RESERVED_PORTS = "net.ipv4.ip_local_reserved_ports"

_DROP_INS = frozenset(map(drop_in_path, SERVICES))
_PODS_STAY = "its pods keep running; until it is back, none are started or stopped here and none report their state"
# k3s and RKE2 leave their pods alone because of KillMode=process in their units.
_RESTARTS: Mapping[Service, str] = {
    "kubelet": _PODS_STAY,
    "k3s": f"{_PODS_STAY}, and the API server inside it is away; it writes its kernel settings again",
    "k3s-agent": f"{_PODS_STAY}; it writes its kernel settings again",
    "rke2-server": f"{_PODS_STAY}; it writes its kernel settings again",
    "rke2-agent": f"{_PODS_STAY}; it writes its kernel settings again",
}

_MIB = 2**20


def risks(goals: Sequence[Goal], facts: NodeFacts, made: Draft, units: Sequence[Change]) -> tuple[str, ...]:
    """Name the risks of a node's changes, each in one sentence.

    Args:
        goals: what is changed.
        facts: of the node as it is.
        made: its files, with the facts as they will be.
        units: what is enabled or started again.
    """
    found = (
        *_memory(goals, facts),
        *_node_ports(goals, made.after),
        *_trap(goals, facts),
        *_shorter(goals, facts),
        *_restarts(made, facts, {unit.target for unit in units}),
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
    timeouts = timeouts_by_key(facts.ipvs.timeouts)
    for goal in goals:
        present, wanted = _number(timeouts.get(goal.key) or _live(facts, goal.key)), _number(goal.value)
        if not goal.live or "timeout" not in goal.key or present is None or wanted is None or wanted >= present:
            continue
        yield f"{goal.key}: live connections feel the shorter time, {wanted} seconds instead of {present}"


def _restarts(made: Draft, facts: NodeFacts, restarted: Collection[str]) -> Iterator[str]:
    for service, paths in readers(made, facts).items():
        if f"{service}.service" in restarted:
            yield f"{service} is restarted: {_RESTARTS[service]}"
            continue
        for path in paths:
            left = "; until then it would write its old values" if path not in _DROP_INS else ""
            yield f"{path}: {service} reads it when it starts again{left}"


def _live(facts: NodeFacts, key: str) -> str | None:
    sysctl = facts.sysctls.get(key)
    return sysctl.value if sysctl is not None and isinstance(sysctl.value, str) else None


def _number(text: str | None) -> int | None:
    try:
        return None if text is None else parse_number(text)
    except ValueError:
        return None
