"""What testinfra reads of a node by itself, so that a verdict rests on nothing that only the probe has seen."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from typing import Final

from fleet.facts import key_in_dots
from fleet.facts.answer import MalformedError
from fleet.facts.identity import count_processors
from fleet.facts.masking import mask_arguments
from fleet.model.facts import Conntrack, Listener, NodeFacts, NodeProcess, Reason, Unavailable
from fleet.model.text import printable
from fleet.policy.control import Control
from fleet.verify.answers import builtin_list
from fleet.verify.asked import Asked
from fleet.verify.reading import ReadingError, with_ipvs, with_sysctl
from fleet.verify.rests import Part, other_keys, rests_on
from fleet.verify.trees import with_files

WRITERS: Final = (
    *("kubelet", "kubelite", "kube-proxy", "kube-router", "k3s", "k3s-*", "rke2", "rke2-*", "k0s"),
    *("cilium-agent", "calico-node", "flanneld", "antrea-agent", "dockerd", "containerd"),
    *("tuned", "systemd-network", "NetworkManager", "wicked*"),
)
"""Names of processes that are known to write kernel settings, as in processes.sh."""

_TABLE = "/proc/sys/net/netfilter/nf_conntrack_count"
_HASHSIZE = "/sys/module/nf_conntrack/parameters/hashsize"
_IPVS = "/proc/net/ip_vs"
_RANGE_KEYS = ("net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports")
_NO_RULES = "it has no module for nftables, and the one for iptables may load modules of the kernel"
_FAILURES = (AssertionError, IndexError, RuntimeError, ValueError, MalformedError, ReadingError)
_SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What is known of a node.

    Attributes:
        unread: why testinfra could not read a part for itself.
    """

    facts: NodeFacts
    unread: Mapping[Part, str] = field(default_factory=dict)


def read_independently(host: Asked, facts: NodeFacts, controls: Iterable[Control]) -> Reading:
    """Let testinfra read what the controls rest on, beside their own settings.

    Args:
        host: of testinfra.
        facts: what the probe read; what no control rests on stays as it is there.
        controls: that are to be judged.

    Raises:
        HostError: the node did not answer.
    """
    wanted = frozenset[Part]().union(*map(rests_on, controls))
    keys = sorted(frozenset[str]().union(*map(other_keys, controls)))
    unread: dict[Part, str] = {"firewall": _NO_RULES} if "firewall" in wanted else {}
    readers: Mapping[Part, Callable[[NodeFacts], NodeFacts]] = {
        "node": lambda known: _with_node(known, host),
        "sysctl": lambda known: _with_keys(known, host, keys),
        "conntrack": lambda known: _with_conntrack(known, host),
        "ipvs": lambda known: _with_services(with_ipvs(known, host), host),
        "modules": lambda known: _with_modules(known, host),
        "ports": lambda known: _with_listeners(_with_keys(known, host, _RANGE_KEYS), host),
        "processes": lambda known: _with_processes(known, host),
        "files": lambda known: with_files(known, host),
    }
    for part, reader in readers.items():
        if part in wanted:
            try:
                facts = reader(facts)
            except _FAILURES as error:
                unread[part] = printable(str(error), _SHOWN)
    return Reading(facts=facts, unread=unread)


def _with_node(facts: NodeFacts, host: Asked) -> NodeFacts:
    identity, system = facts.identity, host.system_info
    memory = re.search(r"^MemTotal: +(\d+) kB$", host.file("/proc/meminfo").content_string, re.MULTILINE)
    if memory is None:
        raise ReadingError("there is no MemTotal in /proc/meminfo")
    return replace(
        facts,
        identity=replace(
            identity,
            hostname=str(host.sysctl("kernel.hostname")),
            kernel=str(host.sysctl("kernel.osrelease")),
            arch=system.arch,
            cores=count_processors(host.file("/sys/devices/system/cpu/online").content.strip()),
            ram_bytes=int(memory[1]) * 1024,
            uid=host.user().uid,
            os=replace(identity.os, id=system.distribution or "", version_id=system.release or ""),
        ),
    )


def _with_keys(facts: NodeFacts, host: Asked, keys: Iterable[str]) -> NodeFacts:
    for key in keys:
        facts = with_sysctl(facts, host, key_in_dots(key))
    return facts


def _with_conntrack(facts: NodeFacts, host: Asked) -> NodeFacts:
    known = facts.conntrack
    if not host.file(_TABLE).exists:
        none = known.count if isinstance(known.count, Unavailable) else Unavailable(Reason.ABSENT)
        said = Conntrack(count=none, max=none, buckets=none, hashsize=none, object_bytes=none, stats=none)
        return replace(facts, conntrack=said)
    count, most, buckets = (_number(host, f"net.netfilter.nf_conntrack_{name}") for name in ("count", "max", "buckets"))
    said = replace(known, count=count, max=most, buckets=buckets)
    if not isinstance(known.hashsize, Unavailable):
        said = replace(said, hashsize=int(host.file(_HASHSIZE).content_string))
    if not isinstance(known.object_bytes, Unavailable):
        slab = re.search(r"^nf_conntrack +\d+ +\d+ +(\d+) ", host.file("/proc/slabinfo").content_string, re.MULTILINE)
        said = replace(said, object_bytes=int(slab[1]) if slab else Unavailable(Reason.ABSENT))
    return replace(facts, conntrack=said)


def _number(host: Asked, key: str) -> int:
    value = host.sysctl(key)
    if not isinstance(value, int):
        raise ReadingError(f"{key} is {value}, and no number")
    return value


def _with_services(facts: NodeFacts, host: Asked) -> NodeFacts:
    known = facts.ipvs
    table = host.file(_IPVS)
    if not table.exists:
        none = Unavailable(Reason.NOT_LOADED, "ip_vs")
        return replace(facts, ipvs=replace(known, timeouts=none, services=none, connections=none))
    if isinstance(known.services, Unavailable) and known.services.reason is not Reason.NOT_LOADED:
        return facts
    services = re.findall(r"^(?:TCP|UDP|SCTP|FWM) ", table.content_string, re.MULTILINE)
    return replace(facts, ipvs=replace(known, services=len(services)))


def _with_modules(facts: NodeFacts, host: Asked) -> NodeFacts:
    if isinstance(facts.modules, Unavailable) or isinstance(facts.builtin_modules, Unavailable):
        return facts
    listed, built_in = host.file("/proc/modules"), host.file(builtin_list(facts.identity.kernel))
    loaded = {line.split()[0] for line in listed.content_string.splitlines()} if listed.exists else set()
    if built_in.exists:
        paths = built_in.content_string.replace("-", "_").split()
        always = {path.rpartition("/")[2].partition(".")[0] for path in paths}
    else:
        always = set(host.file("/sys/module").listdir()) - loaded
    return replace(facts, modules=frozenset(loaded), builtin_modules=frozenset(always))


def _with_listeners(facts: NodeFacts, host: Asked) -> NodeFacts:
    if isinstance(facts.listeners, Unavailable):
        return facts
    found = []
    for socket in host.socket.get_listening_sockets():
        protocol, _, rest = socket.partition("://")
        address, _, port = rest.rpartition(":")
        if protocol == "tcp":
            found.append(Listener(protocol="tcp", address=address, port=int(port)))
        elif protocol == "udp":
            found.append(Listener(protocol="udp", address=address, port=int(port)))
    return replace(facts, listeners=tuple(found))


def _with_processes(facts: NodeFacts, host: Asked) -> NodeFacts:
    if isinstance(facts.processes, Unavailable):
        return facts
    known = {(process.pid, process.name): process for process in facts.processes}
    found = []
    for process in host.process.filter():
        pid, name = process.pid, str(process.comm)
        if not any(fnmatch(name, writer) for writer in WRITERS):
            continue
        # One in another network namespace writes the settings of that one.
        if (pid, name) not in known and _namespace(host, str(pid)) != _namespace(host, "self"):
            continue
        raw = host.file(f"/proc/{pid}/cmdline").content.removesuffix(b"\0")
        arguments = tuple(each.decode(errors="backslashreplace") for each in mask_arguments(raw.split(b"\0")))
        before = known.get((pid, name), NodeProcess(pid=pid, name=name, arguments=()))
        found.append(replace(before, arguments=arguments))
    return replace(facts, processes=tuple(sorted(found, key=lambda process: process.pid)))


def _namespace(host: Asked, process: str) -> str:
    return host.file(f"/proc/{process}/ns/net").linked_to.rpartition("/")[2]
