"""Facts, variables and inventory data under the names that expressions use.

Each value is computed when it is first asked for: a policy uses few of them, and some cost more than all the rest. One
that could not be read is an `Unavailable`, which an expression cannot use unnoticed.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import cast

from fleet.facts.request import key_in_dots
from fleet.kernel.invalid import invalid_rule_state
from fleet.kernel.kube import distribution, proxy_mode
from fleet.kernel.outlook import Outlook
from fleet.kernel.ports import DEFAULT_NODE_PORTS, ephemeral_listeners, ephemeral_ports, unreserved_node_ports
from fleet.kernel.portset import PortSet
from fleet.kernel.sizing import ConntrackSizing, chain_length, size_conntrack
from fleet.kernel.units import unguarded_lines
from fleet.kernel.version import parse_release
from fleet.model.facts import Conntrack, Identity, Ipvs, NodeFacts, Reason, Sysctl, Unavailable
from fleet.policy.names import SIZING_VARIABLES

Thunk = Callable[[], object]

_RANGE = "net.ipv4.ip_local_port_range"
_RESERVED = "net.ipv4.ip_local_reserved_ports"
_NOT_THERE = frozenset({Reason.NOT_LOADED, Reason.ABSENT})


class Lazy(Mapping[str, object]):
    """A mapping whose values are computed when they are first asked for."""

    def __init__(self, members: Mapping[str, Thunk]) -> None:
        self._members = members
        self._known: dict[str, object] = {}

    def __getitem__(self, name: str) -> object:
        if name not in self._known:
            self._known[name] = self._members[name]()
        return self._known[name]

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)


class _Sysctls(Mapping[str, object]):
    """Keys in any spelling; numbers as numbers, and None for a key that the node does not have."""

    def __init__(self, sysctls: Mapping[str, Sysctl]) -> None:
        self._sysctls = sysctls

    def __getitem__(self, key: str) -> object:
        sysctl = self._sysctls.get(key_in_dots(key))
        if sysctl is None or (isinstance(sysctl.value, Unavailable) and sysctl.value.reason in _NOT_THERE):
            return None
        if isinstance(sysctl.value, Unavailable):
            return sysctl.value
        try:
            return int(sysctl.value)
        except ValueError:
            return sysctl.value

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str)

    def __iter__(self) -> Iterator[str]:
        return iter(self._sysctls)

    def __len__(self) -> int:
        return len(self._sysctls)


def make_context(
    facts: NodeFacts, variables: Mapping[str, object], host_data: Mapping[str, object], outlook: Outlook
) -> Mapping[str, object]:
    """Give the names of `fleet.policy.names` their values for one node.

    Args:
        facts: what the probe read.
        variables: ``vars``.
        host_data: ``host``, the inventory's data of the host.
        outlook: where the keys of the controls stand later: ``boot`` and ``protection``.
    """
    return {
        "node": _node(facts.identity),
        "sysctl": _Sysctls(facts.sysctls),
        "conntrack": _conntrack(facts.conntrack),
        "sizing": _sizing(facts, variables),
        "ipvs": _ipvs(facts),
        "kube": Lazy(
            {
                "distribution": lambda: distribution(facts),
                "proxy_mode": lambda: proxy_mode(facts).mode,
                "invalid_rule": lambda: invalid_rule_state(facts),
            }
        ),
        "boot": _boot(outlook),
        "protection": {
            moment: {"status": verdict.status, "reason": verdict.reason}
            for moment, verdict in outlook.protection.moments.items()
        },
        "ports": _ports(facts),
        "units": Lazy({"unguarded": lambda: [str(line) for line in unguarded_lines(facts)]}),
        "modules": _modules(facts),
        "vars": variables,
        "host": host_data,
    }


def all_modules(facts: NodeFacts) -> frozenset[str] | Unavailable:
    """Modules that are there, loaded or built in; unavailable unless both are known, for none to be missed."""
    if isinstance(facts.modules, Unavailable):
        return facts.modules
    if isinstance(facts.builtin_modules, Unavailable):
        return facts.builtin_modules
    return facts.modules | facts.builtin_modules


def has_module(facts: NodeFacts, name: str) -> bool | Unavailable:
    """Whether a module is there, loaded or built in; unavailable unless both are known."""
    for modules in (facts.modules, facts.builtin_modules):
        if isinstance(modules, Unavailable):
            return modules
    return any(isinstance(each, frozenset) and name in each for each in (facts.modules, facts.builtin_modules))


def _node(identity: Identity) -> Mapping[str, object]:
    def kernel_version() -> object:
        try:
            return list(parse_release(identity.kernel))
        except ValueError:
            return Unavailable(Reason.UNREADABLE, "kernel release")

    return Lazy(
        {
            "hostname": lambda: identity.hostname,
            "kernel": lambda: identity.kernel,
            "kernel_version": kernel_version,
            "arch": lambda: identity.arch,
            "cores": lambda: identity.cores,
            "ram_bytes": lambda: identity.ram_bytes,
            "uid": lambda: identity.uid,
            "os": lambda: {"id": identity.os.id, "version_id": identity.os.version_id},
        }
    )


def _conntrack(conntrack: Conntrack) -> Mapping[str, object]:
    def percent(count: int, most: int) -> float:
        return 100 * count / most if most else 100.0

    return Lazy(
        {
            "loaded": lambda: _is_there(conntrack.count),
            "count": lambda: conntrack.count,
            "max": lambda: conntrack.max,
            "buckets": lambda: conntrack.buckets,
            "hashsize": lambda: conntrack.hashsize,
            "object_bytes": lambda: conntrack.object_bytes,
            "usage_percent": lambda: _of_both(percent, conntrack.count, conntrack.max),
            "chain_length": lambda: _of_both(chain_length, conntrack.max, conntrack.buckets),
        }
    )


def _sizing(facts: NodeFacts, variables: Mapping[str, object]) -> Mapping[str, object]:
    known: list[ConntrackSizing] = []

    def sizing() -> ConntrackSizing:
        if not known:
            headroom, share = (cast("float", variables[name]) for name in SIZING_VARIABLES)
            count, size = facts.conntrack.count, facts.conntrack.object_bytes
            known.append(
                size_conntrack(
                    ram_bytes=facts.identity.ram_bytes,
                    cores=facts.identity.cores,
                    object_bytes=None if isinstance(size, Unavailable) else size,
                    peak_entries=None if isinstance(count, Unavailable) else count,
                    headroom=headroom,
                    ram_share=share,
                )
            )
        return known[0]

    return Lazy(
        {
            "base": lambda: sizing().base,
            "demand": lambda: sizing().demand,
            "max": lambda: sizing().max,
            "buckets": lambda: sizing().buckets,
            "hashsize": lambda: sizing().hashsize,
            "memory_bytes": lambda: sizing().memory_bytes,
            "chain_length": lambda: sizing().chain_length,
        }
    )


def _ipvs(facts: NodeFacts) -> Mapping[str, object]:
    ipvs: Ipvs = facts.ipvs
    timeouts = ipvs.timeouts

    def in_use() -> object:
        if proxy_mode(facts).mode == "ipvs":
            return True
        if isinstance(ipvs.services, Unavailable):
            return False if ipvs.services.reason in _NOT_THERE else ipvs.services
        return ipvs.services > 0

    return Lazy(
        {
            "loaded": lambda: _is_there(ipvs.services),
            "in_use": in_use,
            "tcp_timeout": lambda: timeouts if isinstance(timeouts, Unavailable) else timeouts.tcp,
            "tcp_fin_timeout": lambda: timeouts if isinstance(timeouts, Unavailable) else timeouts.tcp_fin,
            "udp_timeout": lambda: timeouts if isinstance(timeouts, Unavailable) else timeouts.udp,
            "services": lambda: ipvs.services,
        }
    )


def _ports(facts: NodeFacts) -> Mapping[str, object]:
    def ephemeral() -> PortSet | Unavailable:
        return _of_keys(ephemeral_ports, facts, _RANGE, _RESERVED)

    def listeners() -> object:
        found = facts.listeners
        return found if isinstance(found, Unavailable) else sorted({listener.port for listener in found})

    def exposed() -> object:
        ports, found = ephemeral(), facts.listeners
        if isinstance(ports, Unavailable):
            return ports
        return found if isinstance(found, Unavailable) else list(ephemeral_listeners(found, ports))

    def count() -> object:
        ports = ephemeral()
        return ports if isinstance(ports, Unavailable) else len(ports)

    def unreserved() -> object:
        ports = _of_keys(lambda reserved: unreserved_node_ports(DEFAULT_NODE_PORTS, reserved), facts, _RESERVED)
        return ports if isinstance(ports, Unavailable) else str(ports)

    return Lazy(
        {
            "listeners": listeners,
            "ephemeral_listeners": exposed,
            "ephemeral_count": count,
            "node_ports": lambda: DEFAULT_NODE_PORTS,
            "unreserved_node_ports": unreserved,
        }
    )


def _boot(outlook: Outlook) -> Mapping[str, object]:
    unknown = {key: each.unknown for key, each in outlook.keys.items() if each.unknown}
    return {"unknown": list(unknown), "reason": "; ".join(dict.fromkeys(unknown.values()))}


def _modules(facts: NodeFacts) -> object:
    modules = all_modules(facts)
    return modules if isinstance(modules, Unavailable) else sorted(modules)


def _is_there(fact: object) -> bool:
    return not (isinstance(fact, Unavailable) and fact.reason in _NOT_THERE)


def _of_both(function: Callable[[int, int], float], left: int | Unavailable, right: int | Unavailable) -> object:
    if isinstance(left, Unavailable):
        return left
    return right if isinstance(right, Unavailable) else function(left, right)


def _of_keys(function: Callable[..., PortSet], facts: NodeFacts, *keys: str) -> PortSet | Unavailable:
    values = []
    for key in keys:
        value = facts.sysctls[key].value if key in facts.sysctls else Unavailable(Reason.ABSENT, key)
        if isinstance(value, Unavailable):
            return value
        values.append(value)
    try:
        return function(*values)
    except ValueError:
        return Unavailable(Reason.UNREADABLE, " ".join(keys))
