"""k3s and RKE2, which write kernel settings themselves before they start Kubernetes.

Read in k3s ``pkg/agent/syssetup/setup.go``, ``pkg/agent/run.go`` and ``pkg/daemons/agent/agent_linux.go`` (RKE2 is
built on them): from ``kube-proxy-arg`` they compute the conntrack limit as kube-proxy did in 1.21 (no cap, up or down,
no hash table) and set it with the two TCP timeouts, also where kube-proxy is disabled; then they run kube-proxy with
zeros for these three, so that it leaves them alone. An argument that the operator gives replaces its zero: that setting
is then written twice, by k3s and again by its kube-proxy, with the newer rules of the latter.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from fleet.kernel.k3s import Given, k3s_given, k3s_setting, runs_pods
from fleet.kernel.writers.conntrack import CLOSE_WAIT, ESTABLISHED, MAX, table_limit
from fleet.kernel.writers.kubeproxy import Instance, proxy_writers
from fleet.kernel.writers.proxyconfig import (
    Flags,
    ProxyConfig,
    Setting,
    config_of_file,
    config_of_flags,
    unknown_config,
)
from fleet.kernel.writers.proxyreleases import node_releases
from fleet.kernel.writers.writer import Kind, Write, Writer, shown
from fleet.model.errors import DocumentError
from fleet.model.facts import NodeFacts

_NAMES: Mapping[str, Kind] = {
    "k3s": "k3s",
    "k3s-server": "k3s",
    "k3s-agent": "k3s",
    "rke2": "rke2",
    "rke2-server": "rke2",
    "rke2-agent": "rke2",
}
_FORWARDING = ("net.ipv4.conf.all.forwarding", "net.ipv4.conf.default.forwarding")
_BRIDGE = "net.bridge.bridge-nf-call-iptables"
_ZEROS = {
    flag: Given(text=zero, origin=f"the default of k3s for kube-proxy, --{flag}={zero}")
    for flag, zero in (
        ("conntrack-max-per-core", "0"),
        ("conntrack-tcp-timeout-established", "0s"),
        ("conntrack-tcp-timeout-close-wait", "0s"),
    )
}


def rancher_writers(facts: NodeFacts) -> Iterator[Writer]:
    """What k3s or RKE2 writes when it starts again, with the kube-proxy inside k3s."""
    processes = facts.processes if isinstance(facts.processes, tuple) else ()
    process = next((process for process in processes if process.name in _NAMES), None)
    if process is None:
        return
    runs = f"{process.name} runs (process {process.pid})"
    try:
        if not runs_pods(process, facts.files):
            return
        given = k3s_given(process, facts.files, "kube-proxy-arg")
        disabled = k3s_setting(process, facts.files, "disable-kube-proxy") in {"true", ""}
        no_flannel = k3s_setting(process, facts.files, "flannel-backend") == "none"
    except DocumentError as error:
        given, disabled, no_flannel = (), False, False
        own = embedded = unknown_config(runs, shown(f"its configuration: {error}"))
    else:
        own, embedded = config_of_flags(_flags(given)), embedded_config(facts, given)
    rancher = _Rancher(kind=_NAMES[process.name], runs=runs, place=_place(_NAMES[process.name], given))
    yield from _conntrack(rancher, own, facts.identity.cores)
    if rancher.kind == "k3s" and not disabled:
        yield from proxy_writers(
            facts,
            embedded,
            node_releases(facts),
            Instance(service="k3s", runs=f"{runs} with kube-proxy inside", place=rancher.place),
        )
    yield from _forwarding(rancher)
    yield _bridge(rancher, neither=disabled and (no_flannel or rancher.kind == "rke2"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rancher:
    """What runs, the sentence that says so, and where its kube-proxy-arg belongs."""

    kind: Kind
    runs: str
    place: str


def _conntrack(rancher: _Rancher, config: ProxyConfig, cores: int) -> Iterator[Writer]:
    per_core, least = config["maxPerCore"], config["min"]
    limit = table_limit(config, cores, capped=False)
    formula = f"max({per_core.value} x {cores} cores, {least.value}) = {limit}, without a cap"
    yield from _set_by_rancher(rancher, MAX, limit, (per_core, least), formula)
    for name, key in (("tcpEstablishedTimeout", ESTABLISHED), ("tcpCloseWaitTimeout", CLOSE_WAIT)):
        yield from _set_by_rancher(rancher, key, config[name].seconds, (config[name],))


def _set_by_rancher(
    rancher: _Rancher, key: str, value: int, settings: Sequence[Setting], *formula: str
) -> Iterator[Writer]:
    origins = tuple(dict.fromkeys(setting.origin for setting in settings if setting.origin != rancher.runs))
    if problem := next((setting.problem for setting in settings if setting.problem), ""):
        yield replace(_writer(rancher, key, (), *origins), reason=problem)
    elif value > 0:
        yield _writer(rancher, key, (Write(rule="sets", value=str(value)),), *origins, *formula)


def embedded_config(facts: NodeFacts, given: Sequence[Given]) -> ProxyConfig:
    """The settings of the kube-proxy that k3s runs inside, which gets zeros for what k3s writes itself.

    Args:
        facts: of its node.
        given: the ``kube-proxy-arg`` of k3s.
    """
    flags = _flags(given)
    if "config" in flags:
        return config_of_file(flags["config"].text, facts.files.get(flags["config"].text))
    return config_of_flags({**_ZEROS, **flags})


def _forwarding(rancher: _Rancher) -> Iterator[Writer]:
    one = (Write(rule="sets", value="1"),)
    for key in _FORWARDING:
        yield _writer(rancher, key, one)
    yield _writer(rancher, "net.ipv4.ip_forward", one, f"it sets {_FORWARDING[0]}, which is the same setting")


def _bridge(rancher: _Rancher, *, neither: bool) -> Writer:
    one = Write(rule="sets", value="1", releases="older releases" if neither else "")
    if not neither:
        return _writer(rancher, _BRIDGE, (one,))
    reason = "it runs neither kube-proxy nor flannel, and newer releases then leave the key alone"
    leave = Write(rule="leaves", value=None, releases="newer releases")
    return replace(_writer(rancher, _BRIDGE, (one, leave)), reason=reason)


def _writer(rancher: _Rancher, key: str, writes: tuple[Write, ...], *evidence: str) -> Writer:
    return Writer(
        name="k3s" if rancher.kind == "k3s" else "RKE2",
        kind=rancher.kind,
        key=key,
        when="service start",
        service=rancher.kind,
        after=("unit", "ufw"),
        writes=writes,
        evidence=(rancher.runs, *evidence),
        condition="only where the value is another",
        place=rancher.place,
    )


def _place(kind: Kind, given: Sequence[Given]) -> str:
    # Arguments replace the whole list of the files, so an addition to the files would not count.
    if given and not given[-1].origin.startswith("/etc/rancher/"):
        return given[-1].origin
    return f"/etc/rancher/{kind}/config.yaml.d/"


def _flags(given: Sequence[Given]) -> Flags:
    """kube-proxy-arg as k3s takes it apart: the last of equal names counts, one without a value is true."""
    flags: dict[str, Given] = {}
    for each in given:
        name, equals, value = each.text.removeprefix("--").partition("=")
        flags[name] = Given(text=value if equals else "true", origin=f"{each.origin} has {shown(each.text)}")
    return flags
