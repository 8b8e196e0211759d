"""Programs that set up the node's network and write a few keys for it: networkd (see there), Docker, Cilium and Calico.

* dockerd: turns ip_forward on where it is off, unless ip-forward is false (moby ``libnetwork/drivers/bridge``).
* Cilium: its agent sets conf.all.rp_filter to 0 (``pkg/datapath/loader/base.go``).
* Calico: its agent turns forwarding and nf_conntrack_acct on (``felix/dataplane/linux/int_dataplane.go``).
"""

import json
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import replace

from fleet.kernel.options import option, options
from fleet.kernel.writers.goflags import parse_bool
from fleet.kernel.writers.networkd import networkd_writers
from fleet.kernel.writers.writer import Kind, Write, Writer, shown
from fleet.model.facts import NodeFacts, NodeProcess

_FORWARD = "net.ipv4.ip_forward"
_BRIDGE = "net.bridge.bridge-nf-call-iptables"
_DAEMON = "/etc/docker/daemon.json"
_SET = Write(rule="sets", value="1")
_LEAVE = Write(rule="leaves", value=None)
_DISPLAYED: Mapping[Kind, str] = {"cilium": "Cilium", "calico": "Calico"}


def network_writers(facts: NodeFacts) -> Iterator[Writer]:
    """What these programs write when they start again, for each that runs."""
    processes = facts.processes if isinstance(facts.processes, tuple) else ()
    for process in {process.name: process for process in reversed(processes)}.values():
        match process.name:
            case "systemd-network":
                yield from networkd_writers(facts, process)
            case "dockerd":
                yield from _dockerd(facts, process)
            case "cilium-agent":
                zero = Write(rule="sets", value="0")
                yield _writer(process, "cilium", "net.ipv4.conf.all.rp_filter", (zero,))
            case "calico-node":
                for key in (_FORWARD, "net.netfilter.nf_conntrack_acct"):
                    yield _writer(process, "calico", key, (_SET,))


def _dockerd(facts: NodeFacts, process: NodeProcess) -> Iterator[Writer]:
    path = option(process.arguments, "config-file") or _DAEMON
    configured = _daemon_settings(facts, path)
    forward = _switch(process, configured, "ip-forward")
    if forward is not False:
        certain = configured is not None or forward is True
        because = (f"neither its arguments nor {shown(path)} turn ip-forward off",) if certain else ()
        yield replace(
            _writer(process, "dockerd", _FORWARD, (_SET,) if certain else (_SET, _LEAVE), *because),
            reason="" if certain else f"whether ip-forward is false stands in {shown(path)}, of which no JSON was read",
            condition="only where the value is another",
            place=shown(path),
        )
    off = next((name for name in ("icc", "userland-proxy") if _switch(process, configured, name) is False), None)
    if off is not None:
        needed = f"{off} is false, for which Docker needs bridged packets to pass iptables"
        yield replace(_writer(process, "dockerd", _BRIDGE, (_SET,), needed), place=shown(path))


def _daemon_settings(facts: NodeFacts, path: str) -> Mapping[str, object] | None:
    """What daemon.json says, nothing where it is not there; None where it was not read or is no JSON object."""
    file = facts.files.get(path)
    if file is None and path == _DAEMON and posixpath.dirname(path) not in facts.files:
        return {}
    if file is None or file.content is None:
        return None
    try:
        settings = json.loads(file.content)
    except (ValueError, RecursionError):
        return None
    return settings if isinstance(settings, dict) else None


def _switch(process: NodeProcess, configured: Mapping[str, object] | None, name: str) -> bool | None:
    if given := options(process.arguments, name):
        try:
            return parse_bool(given[-1])
        except ValueError:
            return True
    value = (configured or {}).get(name)
    return value if isinstance(value, bool) else None


def _writer(process: NodeProcess, kind: Kind, key: str, writes: tuple[Write, ...], *evidence: str) -> Writer:
    return Writer(
        name=_DISPLAYED.get(kind, kind),
        kind=kind,
        key=key,
        when="service start",
        service=process.name,
        writes=writes,
        evidence=(f"{process.name} runs (process {process.pid})", *evidence),
    )
