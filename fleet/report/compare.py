"""Who is not like the others, and what an upgrade will do to whom."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fleet.kernel.catalogue import KEYS
from fleet.kernel.upgrade import Prediction, predict
from fleet.model.facts import NodeFacts, Unavailable
from fleet.model.finding import Audit, HostAudit, NodeSummary, SettingState
from fleet.report.likeness import gist

_NOT_READ: Final = "not read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """Hosts that have the same values.

    Attributes:
        hosts: inventory names, in the audit's order.
        values: one for each property of the difference.
    """

    hosts: tuple[str, ...]
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Properties that divide the hosts in the same way.

    Attributes:
        properties: what differs, such as ``kernel`` or ``net.ipv4.tcp_fin_timeout at boot``.
        groups: two or more, the fewest hosts first; the last are those that the others are held against.
    """

    properties: tuple[str, ...]
    groups: tuple[Alike, ...]

    @property
    def outliers(self) -> int:
        """Hosts that are not like most."""
        return sum(len(group.hosts) for group in self.groups[:-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What an upgrade will do, and to which hosts."""

    prediction: Prediction
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The hosts of an audit held against each other.

    Attributes:
        hosts: those that were compared, in the audit's order.
        unread: those that could not be checked, and so not be compared.
        same: how many properties are the same on all hosts.
        differences: the fewest outliers first, and last those in which no value is that of most hosts.
        forecasts: the most hosts first.
    """

    hosts: tuple[str, ...]
    unread: tuple[str, ...]
    same: int
    differences: tuple[Difference, ...]
    forecasts: tuple[Forecast, ...]


def compare(audit: Audit) -> Comparison:
    """Group hosts by the value of each key now and at boot, and by kernel, Kubernetes, machine and writers."""
    read = {name: host for name, host in audit.hosts.items() if host.error is None}
    of_property: dict[str, dict[str, str]] = defaultdict(dict)
    for name, host in read.items():
        for what, value in _properties(host):
            of_property[what][name] = value
    divided: dict[tuple[tuple[str, ...], ...], list[tuple[str, Mapping[str, str]]]] = defaultdict(list)
    same = 0
    for what, values in of_property.items():
        groups = _groups([(name, values.get(name, _NOT_READ)) for name in read])
        if len(groups) == 1:
            same += 1
        else:
            divided[groups].append((what, values))
    differences = [
        Difference(
            properties=tuple(what for what, _ in members),
            groups=tuple(
                Alike(hosts=names, values=tuple(values.get(names[0], _NOT_READ) for _, values in members))
                for names in groups
            ),
        )
        for groups, members in divided.items()
    ]
    return Comparison(
        hosts=tuple(read),
        unread=tuple(name for name in audit.hosts if name not in read),
        same=same,
        differences=tuple(sorted(differences, key=lambda each: _rank(each, len(read)))),
        forecasts=_forecasts(read),
    )


def _groups(values: Sequence[tuple[str, str]]) -> tuple[tuple[str, ...], ...]:
    """Hosts by value, the fewest first."""
    of_value: dict[str, list[str]] = defaultdict(list)
    for name, value in values:
        of_value[value].append(name)
    return tuple(sorted(map(tuple, of_value.values()), key=len))


def _rank(difference: Difference, hosts: int) -> tuple[bool, int, int]:
    """A few that differ from most are likely a mistake; a fleet that is divided in half has a reason."""
    return 2 * difference.outliers >= hosts, difference.outliers, -len(difference.properties)


def _properties(host: HostAudit) -> Iterator[tuple[str, str]]:
    if host.node is not None:
        yield from _of_node(host.node)
    states = {state.key: state for state in host.settings}
    live = _live(host.facts) if host.facts is not None else {}
    for key in dict.fromkeys((*states, *live)):
        # A counter is different on each host, and no setting.
        if key in KEYS and KEYS[key].bounds is None:
            continue
        state = states.get(key)
        value = state.live if state is not None else live[key]
        yield key, _NOT_READ if value is None else value or "empty"
        if state is not None:
            yield f"{key} at boot", _boot(state)
            yield f"writers of {key}", _writers(state)


def _of_node(node: NodeSummary) -> Iterator[tuple[str, str]]:
    yield "kernel", node.kernel
    yield "system", node.system or _NOT_READ
    yield "cores", str(node.cores)
    yield "memory", f"{node.ram_bytes / 2**30:.0f} GiB"
    yield "Kubernetes", node.kubernetes or _NOT_READ
    yield "kube-proxy mode", node.proxy_mode
    yield "kube-proxy release", node.proxy_release


def _live(facts: NodeFacts) -> Mapping[str, str | None]:
    return {
        key: None if isinstance(sysctl.value, Unavailable) else sysctl.value for key, sysctl in facts.sysctls.items()
    }


def _boot(state: SettingState) -> str:
    if state.boot is not None:
        return state.boot or "empty"
    return "a line without effect" if state.boot_source is not None else gist(state.boot_note) or "no file sets it"


def _writers(state: SettingState) -> str:
    return ", ".join(f"{writer.name}: {writer.value or 'value not known'}" for writer in state.writers) or "none"


def _forecasts(hosts: Mapping[str, HostAudit]) -> tuple[Forecast, ...]:
    of_text: dict[tuple[str, str, str], list[tuple[str, Prediction]]] = defaultdict(list)
    for name, host in hosts.items():
        for prediction in predict(host.facts) if host.facts is not None else ():
            of_text[prediction.event, prediction.text, gist(prediction.remedy)].append((name, prediction))
    forecasts = [
        Forecast(prediction=members[0][1], hosts=tuple(name for name, _ in members)) for members in of_text.values()
    ]
    return tuple(sorted(forecasts, key=lambda forecast: -len(forecast.hosts)))
