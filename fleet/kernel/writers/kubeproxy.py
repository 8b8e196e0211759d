"""A kube-proxy that runs as a process of its own: by kubeadm, RKE2 or an operator.

It writes once, when it starts: https://github.com/kubernetes/kubernetes/pull/19182. In IPVS mode it also sets what IPVS
needs (pkg/proxy/ipvs/proxier.go); it lets go of conn_reuse_mode from kernel 5.9 on.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from fleet.kernel.keys_ipvs import TCP, TCP_FIN, UDP
from fleet.kernel.kube import ProxyMode, proxy_mode
from fleet.kernel.version import parse_release
from fleet.kernel.writers.conntrack import Effect, proxy_effects
from fleet.kernel.writers.proxyconfig import ProxyConfig, Setting, config_of_process
from fleet.kernel.writers.releases import Releases, kube_releases
from fleet.kernel.writers.writer import Kind, Write, Writer, shown
from fleet.model.facts import NodeFacts

BEFORE_PROXY: tuple[Kind, ...] = ("unit", "k3s", "rke2", "ufw")
"""What writes before a kube-proxy can start: its own supervisor, and ufw, whose unit comes before the network."""

_SET_BY_IPVS = (
    ("net.ipv4.vs.conntrack", 1),
    ("net.ipv4.vs.expire_nodest_conn", 1),
    ("net.ipv4.vs.expire_quiescent_template", 1),
    ("net.ipv4.ip_forward", 1),
)
_REUSE_MODE = "net.ipv4.vs.conn_reuse_mode"
# 0, the default, leaves the timeout as it is.
_TIMEOUTS = (("ipvs.tcpTimeout", TCP), ("ipvs.tcpFinTimeout", TCP_FIN), ("ipvs.udpTimeout", UDP))
_SET_BY_STRICT_ARP = (("net.ipv4.conf.all.arp_ignore", 1), ("net.ipv4.conf.all.arp_announce", 2))


def kube_proxy_writers(facts: NodeFacts) -> Iterator[Writer]:
    """What each kube-proxy process writes when it starts again."""
    if not isinstance(facts.processes, tuple):
        return
    rke2 = any(process.name.startswith("rke2") for process in facts.processes)
    for process in facts.processes:
        if process.name == "kube-proxy":
            config = config_of_process(process, facts.files)
            place = "the kube-proxy ConfigMap" if config.from_file else "the arguments of kube-proxy"
            if rke2:
                place = "/etc/rancher/rke2/config.yaml.d/"
            yield from proxy_writers(
                facts,
                config,
                kube_releases(process, facts, process.arguments),
                Instance(service="kube-proxy", runs=f"kube-proxy runs (process {process.pid})", place=place),
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A kube-proxy as it runs: what restarts with it, the sentence that says so, and where it is configured."""

    service: str
    runs: str
    place: str


def proxy_writers(facts: NodeFacts, config: ProxyConfig, releases: Releases, instance: Instance) -> Iterator[Writer]:
    """The writers that one kube-proxy is, in a process of its own or inside k3s.

    Args:
        facts: of its node.
        config: what it is told.
        releases: which it may be of.
        instance: how it runs.
    """
    mode = replace(found := proxy_mode(facts), evidence=shown(found.evidence))
    name = "kube-proxy" if releases.exact is None else f"kube-proxy {releases}"
    effects = (*proxy_effects(config, releases, facts.identity), *_ipvs_effects(facts, config, mode))
    for effect in effects:
        yield Writer(
            name=name,
            kind="kube-proxy",
            key=effect.key,
            when="service start",
            service=instance.service,
            after=BEFORE_PROXY,
            writes=effect.writes,
            reason=effect.reason,
            evidence=tuple(dict.fromkeys(filter(None, (instance.runs, *effect.evidence, releases.evidence)))),
            place=instance.place,
        )


def _ipvs_effects(facts: NodeFacts, config: ProxyConfig, mode: ProxyMode) -> Iterator[Effect]:
    if mode.mode != "ipvs":
        return
    for key, value in _SET_BY_IPVS:
        yield _sets(key, value, mode.evidence)
    try:
        kernel = parse_release(facts.identity.kernel)
    except ValueError as error:
        yield Effect(key=_REUSE_MODE, writes=(), reason=str(error), evidence=(mode.evidence,))
    else:
        if (4, 1) <= kernel < (5, 9):
            yield _sets(_REUSE_MODE, 0, f"{mode.evidence}; the kernel is {kernel}, from 4.1 and before 5.9")
    for name, key in _TIMEOUTS:
        yield from _timeout(config[name], key)
    strict = config["ipvs.strictARP"]
    for key, value in _SET_BY_STRICT_ARP:
        if strict.problem:
            yield Effect(key=key, writes=(), reason=strict.problem, evidence=(strict.origin,))
        elif strict.value:
            yield _sets(key, value, strict.origin)


def _timeout(setting: Setting, key: str) -> Iterator[Effect]:
    if setting.problem:
        yield Effect(key=key, writes=(), reason=setting.problem, evidence=(setting.origin,))
    elif setting.seconds > 0:
        yield _sets(key, setting.seconds, setting.origin)


def _sets(key: str, value: int, evidence: str) -> Effect:
    return Effect(key=key, writes=(Write(rule="sets", value=str(value)),), reason="", evidence=(evidence,))
