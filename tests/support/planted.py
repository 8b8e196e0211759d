"""What an audit has to name on each node of a lab, said by hand and not computed, and what it did name.

The values are read from the planted lines themselves. Which line wins, which loses and why is said here for each kind
of node, by sysctl.d(5); what is written after the boot follows the documents that the kinds of nodes refer to.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fleet.lab import NodeSpec, Planted
from fleet.model.finding import HostAudit, SettingState

Fact = tuple[str, ...]
"""What kind of thing, about which key, and the rest; the unit that is counted."""

LIBERAL = "net.netfilter.nf_conntrack_tcp_be_liberal"
ESTABLISHED = "net.netfilter.nf_conntrack_tcp_timeout_established"
CLOSE_WAIT = "net.netfilter.nf_conntrack_tcp_timeout_close_wait"
MAX = "net.netfilter.nf_conntrack_max"
BUCKETS = "net.netfilter.nf_conntrack_buckets"
FORWARD = "net.ipv4.ip_forward"
BRIDGE = "net.bridge.bridge-nf-call-iptables"
FIN_TIMEOUT = "net.ipv4.tcp_fin_timeout"
SOMAXCONN = "net.core.somaxconn"
PORT_RANGE = "net.ipv4.ip_local_port_range"
RESERVED = "net.ipv4.ip_local_reserved_ports"
SYN_BACKLOG = "net.ipv4.tcp_max_syn_backlog"
ALL, DEFAULT, ETH0 = (f"net.ipv4.conf.{name}.rp_filter" for name in ("all", "default", "eth0"))

NOT_SHIPPED = (RESERVED, ETH0)
"""Planted keys that no shipped control names; the test's own profile does, as a team's would."""

_INSTALLED = "/usr/lib/sysctl.d/50-default.conf"
_LATER = "another line is applied after it"


@dataclass(frozen=True, slots=True)
class Line:
    """A planted line, and what becomes of it.

    Attributes:
        fate: ``wins``, ``is refused``, or why it does not count.
        through: where it is read if not where it stands, such as a link.
    """

    key: str
    path: str
    number: int
    fate: str = "wins"
    through: str = ""


_BASE = (
    Line(ALL, _INSTALLED, 1, f"{_INSTALLED}:2 excludes the key"),
    Line(DEFAULT, _INSTALLED, 1),
    Line(ETH0, _INSTALLED, 1),
)


def _escapes(line: int) -> str:
    return f"/etc/sysctl.d/20-interfaces.conf:{line} names the key, so wildcards leave it alone"


_GLOB = (
    Line(ALL, _INSTALLED, 1, f"{_INSTALLED}:2 excludes the key"),
    Line(ALL, "/etc/sysctl.d/70-interfaces.conf", 1, f"{_INSTALLED}:2 excludes the key"),
    *(
        line
        for key, number in ((ETH0, 1), (DEFAULT, 2))
        for line in (
            Line(key, "/etc/sysctl.d/20-interfaces.conf", number),
            Line(key, _INSTALLED, 1, _escapes(number)),
            Line(key, "/etc/sysctl.d/70-interfaces.conf", 1, _escapes(number)),
        )
    ),
    Line(SYN_BACKLOG, "/etc/sysctl.d/20-interfaces.conf", 3, "is refused"),
    Line(SOMAXCONN, "/etc/sysctl.d/80-backlog.conf", 1, _LATER),
    Line(SOMAXCONN, "/etc/sysctl.d/80-backlog.conf", 2),
)

_LINES: Mapping[Planted, tuple[Line, ...]] = {
    Planted.HARDENED: (Line(LIBERAL, "/etc/sysctl.d/90-conntrack.conf", 1),),
    Planted.K3S_SERVER: (Line(ESTABLISHED, "/etc/sysctl.d/90-conntrack.conf", 1),),
    Planted.PORT_RANGE_OVER_NODEPORTS: (Line(PORT_RANGE, "/etc/sysctl.d/60-ports.conf", 1),),
    Planted.RESERVED_PORTS: (Line(RESERVED, "/etc/sysctl.d/60-reserved.conf", 1),),
    Planted.SHADOWED_FILE: (
        Line(SOMAXCONN, "/usr/lib/sysctl.d/99-custom.conf", 1, "its file is hidden by /etc/sysctl.d/99-custom.conf"),
        Line(FIN_TIMEOUT, "/etc/sysctl.d/99-custom.conf", 2),
    ),
    Planted.LATER_FILE_WINS: (
        Line(SOMAXCONN, "/etc/sysctl.d/99-custom.conf", 1, _LATER),
        Line(SOMAXCONN, "/usr/lib/sysctl.d/99-zz-vendor.conf", 1),
    ),
    Planted.MASKED_FILE: (
        Line(
            LIBERAL,
            "/usr/lib/sysctl.d/50-conntrack.conf",
            1,
            "its file is masked by /etc/sysctl.d/50-conntrack.conf, a link to /dev/null",
        ),
    ),
    Planted.SYSCTL_CONF_LINK: (
        Line(FIN_TIMEOUT, "/etc/sysctl.conf", 2, _LATER, through="/etc/sysctl.d/99-sysctl.conf"),
        Line(FIN_TIMEOUT, "/etc/sysctl.d/99-z.conf", 1),
    ),
    Planted.BAD_VALUE: (Line(FIN_TIMEOUT, "/etc/sysctl.d/90-timeouts.conf", 1, "is refused"),),
    Planted.LIVE_DIFFERS: (Line(ESTABLISHED, "/etc/sysctl.d/90-timeouts.conf", 2),),
    Planted.CARGO_CULT: (
        Line("net.ipv4.tcp_tw_reuse", "/etc/sysctl.d/99-tuning.conf", 2),
        Line(FIN_TIMEOUT, "/etc/sysctl.d/99-tuning.conf", 3),
        Line("net.ipv4.tcp_max_tw_buckets", "/etc/sysctl.d/99-tuning.conf", 4),
    ),
}

_LIVE_IS_ANOTHER = {Planted.K3S_SERVER: ESTABLISHED, Planted.LIVE_DIFFERS: ESTABLISHED}
"""Where a live value is planted that the next boot's files do not leave."""

_KUBELET = {
    "vm.overcommit_memory": "1",
    "vm.panic_on_oom": "0",
    "kernel.panic": "10",
    "kernel.panic_on_oops": "1",
    "kernel.keys.root_maxkeys": "1000000",
    "kernel.keys.root_maxbytes": "25000000",
}
_KUBERNETES = {Planted.K3S_SERVER, Planted.K3S_AGENT, Planted.KUBE_PROXY_IPVS, Planted.KUBE_PROXY_NFTABLES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What the machine under the lab decides for its nodes.

    Attributes:
        loads_conntrack: nf_conntrack is there at boot without being asked for, because it is built in.
        drops_by_rule: its nodes can have rules of iptables.
    """

    cores: int
    loads_conntrack: bool
    drops_by_rule: bool


def this_machine(*, has_iptables: bool) -> Machine:
    """The machine that the tests run on."""
    modules = Path("/proc/modules")
    return Machine(
        cores=os.sysconf("SC_NPROCESSORS_ONLN"),
        loads_conntrack=not modules.exists() or not re.search("^nf_conntrack ", modules.read_text(), re.MULTILINE),
        drops_by_rule=has_iptables,
    )


def expected(spec: NodeSpec, machine: Machine) -> frozenset[Fact]:
    """What has to be named on a node."""
    lines = _GLOB if Planted.GLOB in spec.planted else _BASE
    lines += tuple(line for planted in spec.planted for line in _LINES.get(planted, ()))
    facts = {_of_line(line, spec, machine) for line in lines}
    for key in {_LIVE_IS_ANOTHER[planted] for planted in spec.planted if planted in _LIVE_IS_ANOTHER}:
        [boot] = [fact[3] for fact in facts if fact[:2] == ("winning line", key)] or [""]
        if boot:
            facts.add(("live is another", key, dict(spec.live)[key], boot))
    facts.update(_writers(spec, machine))
    facts.update(("protection", moment, status) for moment, status in _protection(spec, machine))
    return frozenset(facts)


def _of_line(line: Line, spec: NodeSpec, machine: Machine) -> Fact:
    place = f"{line.through or line.path}:{line.number}"
    _, _, value = _text(spec, line).partition("=")
    late = line.key.startswith("net.netfilter.") and not machine.loads_conntrack
    if line.fate == "wins" and late and Planted.HARDENED not in spec.planted:
        return ("lost line", line.key, place)
    match line.fate:
        case "wins":
            return ("winning line", line.key, place, _printed(line.key, value.strip()))
        case "is refused":
            return ("refused line", line.key, place)
        case reason:
            return (_kind(place, reason, spec), line.key, place, reason)


def _printed(key: str, value: str) -> str:
    """The kernel prints lists of ports in order."""
    return (
        ",".join(sorted(value.split(","), key=lambda ports: int(ports.partition("-")[0]))) if key == RESERVED else value
    )


def _text(spec: NodeSpec, line: Line) -> str:
    [content] = [file.content for file in spec.files if file.path == line.path]
    return content.splitlines()[line.number - 1]


def _kind(place: str, reason: str, spec: NodeSpec) -> str:
    """A kind for the table, by what the reason says and by whether the file is a link on the node."""
    if place.rpartition(":")[0] in {link.path for link in spec.links}:
        return "link that loses"
    words = {"masked by": "masked line", "hidden by": "hidden line", "excludes": "excluded from a glob"}
    words |= {"names the key": "escapes a glob", _LATER: "line that loses"}
    return next((kind for word, kind in words.items() if word in reason), "line that loses")


def _writers(spec: NodeSpec, machine: Machine) -> Iterator[Fact]:
    planted = set(spec.planted)
    if planted & _KUBERNETES:
        for key, value in _KUBELET.items():
            yield ("writer", key, "kubelet", value)
    if planted & {Planted.K3S_SERVER, Planted.K3S_AGENT}:
        yield ("writer", FORWARD, "k3s", "1")
        yield ("writer", BRIDGE, "k3s", "1")
    if Planted.K3S_SERVER in planted:
        # The drop-in replaces the list, so that the defaults count, and k3s does not touch the hash table.
        yield ("writer", MAX, "k3s", str(max(32768 * machine.cores, 131072)))
        yield ("writer", ESTABLISHED, "k3s", "86400")
        yield ("writer", CLOSE_WAIT, "k3s", "3600")
    if planted & {Planted.KUBE_PROXY_IPVS, Planted.KUBE_PROXY_NFTABLES}:
        [config] = [file.content for file in spec.files if file.path == "/var/lib/kube-proxy/config.conf"]
        per_core = int(re.findall(r"maxPerCore: (\d+)", config)[0])
        limit = max(per_core * machine.cores, 131072)
        capped = limit if per_core * machine.cores <= 1_048_576 else 1_048_576
        # No release is shown, so on a large machine the value is one of two.
        yield ("writer", MAX, "kube-proxy", str(limit) if limit == capped else "")
        yield ("writer", BUCKETS, "kube-proxy", str(limit // 4) if limit == capped else "")
        yield ("writer", ESTABLISHED, "kube-proxy", "86400")
        yield ("writer", CLOSE_WAIT, "kube-proxy", "3600")
    if Planted.KUBE_PROXY_IPVS in planted:
        for name in ("conntrack", "expire_nodest_conn", "expire_quiescent_template"):
            yield ("writer", f"net.ipv4.vs.{name}", "kube-proxy", "1")
        yield ("writer", FORWARD, "kube-proxy", "1")


def _protection(spec: NodeSpec, machine: Machine) -> Iterator[tuple[str, str]]:
    now = later = "unprotected"
    if Planted.HARDENED in spec.planted:
        now = later = "protected by be_liberal"
    elif Planted.INVALID_RULE in spec.planted:
        # k3s's kube-proxy brings its rule back whether or not it can be seen now.
        now = later = "protected by the INVALID rule"
        if not machine.drops_by_rule:
            now = "unprotected"
    yield from (("now", now), ("after_proxy_restart", later), ("after_reboot", later))


def unaccounted(spec: NodeSpec) -> set[str]:
    """Planted lines of sysctl files about which nothing is expected; those of files that nobody reads are allowed."""
    known = _GLOB if Planted.GLOB in spec.planted else _BASE
    known += tuple(line for planted in spec.planted for line in _LINES.get(planted, ()))
    accounted = {f"{line.path}:{line.number}" for line in known}
    return {
        f"{file.path}:{number}"
        for file in spec.files
        if file.path.endswith("sysctl.conf") or ("/sysctl.d/" in file.path and file.path.endswith(".conf"))
        for number, text in enumerate(file.content.splitlines(), start=1)
        if "=" in text and not text.startswith("#")
    } - accounted


def named(host: HostAudit, spec: NodeSpec) -> frozenset[Fact]:
    """What an audit named on a node."""
    facts = {fact for state in host.settings for fact in _of_state(state, spec)}
    facts.update(("protection", moment, each.status) for moment, each in (host.protection or {}).items())
    return frozenset(facts)


def _of_state(state: SettingState, spec: NodeSpec) -> Iterator[Fact]:
    if state.boot_source is not None:
        place = str(state.boot_source)
        if not state.boot_note:
            yield ("winning line", state.key, place, state.boot or "")
        elif "is not there now" in state.boot_note or "nothing loads" in state.boot_note:
            yield ("lost line", state.key, place)
        elif f"{place} is without effect" in state.boot_note:
            yield ("refused line", state.key, place)
        else:
            yield ("unknown", state.key, state.boot_note)
    elif state.boot_note != "no file sets it":
        yield ("unknown", state.key, state.boot_note)
    if None not in (state.live, state.boot) and state.live != state.boot:
        yield ("live is another", state.key, state.live or "", state.boot or "")
    for line in state.overridden:
        yield (_kind(str(line), line.reason, spec), state.key, str(line), line.reason)
    for writer in state.writers:
        yield ("writer", state.key, writer.name, writer.value or "")


class Score:
    """Counts by kind of what was named rightly, named wrongly, and not named."""

    def __init__(self) -> None:
        self.right: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self.differences: list[str] = []

    def add(self, node: str, names: frozenset[Fact], expects: frozenset[Fact]) -> None:
        self.right.update(_kinds(names & expects))
        self.wrong.update(_kinds(names - expects))
        self.missed.update(_kinds(expects - names))
        self.differences += [f"{node}: named, not planted: {' | '.join(fact)}" for fact in sorted(names - expects)]
        self.differences += [f"{node}: planted, not named: {' | '.join(fact)}" for fact in sorted(expects - names)]

    @property
    def precision(self) -> float:
        return self.right.total() / (self.right.total() + self.wrong.total())

    @property
    def recall(self) -> float:
        return self.right.total() / (self.right.total() + self.missed.total())

    def __str__(self) -> str:
        kinds = sorted({*self.right, *self.wrong, *self.missed})
        rows = [(kind, self.right[kind], self.wrong[kind], self.missed[kind]) for kind in kinds]
        rows.append(("all", self.right.total(), self.wrong.total(), self.missed.total()))
        head = f"{'kind':24}{'true positives':>16}{'false positives':>17}{'false negatives':>17}"
        lines = [f"{kind:24}{right:16}{wrong:17}{missed:17}" for kind, right, wrong, missed in rows]
        return "\n".join([head, *lines, f"precision {self.precision:.4f}, recall {self.recall:.4f}"])


def _kinds(facts: Iterable[Fact]) -> Iterator[str]:
    return (fact[0] for fact in facts)
