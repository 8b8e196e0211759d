"""Which Kubernetes a node runs, and in which mode Services are translated on it, as far as the node itself shows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from fleet.kernel.documents import node_document
from fleet.kernel.k3s import k3s_list, k3s_setting
from fleet.kernel.options import option
from fleet.model.errors import DocumentError
from fleet.model.facts import NodeFacts, NodeFile, NodeProcess, Unavailable

Distribution = Literal["k3s", "rke2", "kubeadm", "none"]
Mode = Literal["iptables", "ipvs", "nftables", "none", "unknown"]

_MODES: Mapping[str, Mode] = {"iptables": "iptables", "ipvs": "ipvs", "nftables": "nftables"}
_LINUX_DEFAULT: Mode = "iptables"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyMode:
    """How Services are translated; ``evidence`` says from what that is known, in words for an operator."""

    mode: Mode
    evidence: str


def distribution(facts: NodeFacts) -> Distribution | Unavailable:
    """Which distribution runs here; ``kubeadm`` stands for any kubelet of its own, ``none`` for no Kubernetes node.

    Only running processes count: configuration outlives what it was for.
    """
    if isinstance(facts.processes, Unavailable):
        return facts.processes
    if any(_is_k3s(process) for process in facts.processes):
        return "k3s"
    if any(process.name.startswith("rke2") for process in facts.processes):
        return "rke2"
    return "kubeadm" if _named(facts.processes, "kubelet") else "none"


def proxy_mode(facts: NodeFacts) -> ProxyMode:
    """In which mode kube-proxy runs; ``none`` where something else translates Services, or nothing does.

    A value that kube-proxy reads from a file which the probe could not read is ``unknown``, never guessed.
    """
    if isinstance(facts.processes, Unavailable):
        return ProxyMode(mode="unknown", evidence=f"the node's processes: {facts.processes}")
    if kube_proxy := _named(facts.processes, "kube-proxy"):
        return _of_kube_proxy(kube_proxy, facts.files)
    if _named(facts.processes, "cilium-agent"):
        return ProxyMode(mode="none", evidence="cilium-agent runs and kube-proxy does not")
    for process in facts.processes:
        if _is_k3s(process):
            return _of_k3s(process, facts.files)
    if distribution(facts) == "none":
        return ProxyMode(mode="none", evidence="no kubelet, k3s or RKE2 runs")
    return ProxyMode(mode="unknown", evidence="a kubelet runs, but kube-proxy does not")


def _of_kube_proxy(process: NodeProcess, files: Mapping[str, NodeFile]) -> ProxyMode:
    # With --config the other flags are ignored: https://github.com/kubernetes/kubernetes/pull/120354
    path = option(process.arguments, "config")
    if path is None:
        return _of_text(option(process.arguments, "proxy-mode"), "kube-proxy's --proxy-mode")
    # In a pod the path is that of its container, which the host sees through /proc.
    file = files.get(f"/proc/{process.pid}/root{path}") or files.get(path)
    if file is None or file.content is None:
        return ProxyMode(mode="unknown", evidence=f"kube-proxy's {path} could not be read")
    try:
        data = node_document(file.content, path).data
    except DocumentError as error:
        return ProxyMode(mode="unknown", evidence=f"kube-proxy's configuration: {error}")
    if not isinstance(data, dict):
        return ProxyMode(mode="unknown", evidence=f"kube-proxy's {path} is no mapping")
    return _of_text(data.get("mode"), f"mode in {path}")


def _of_k3s(process: NodeProcess, files: Mapping[str, NodeFile]) -> ProxyMode:
    # k3s runs kube-proxy inside its own process: https://docs.k3s.io/cli/server
    try:
        if k3s_setting(process, files, "disable-kube-proxy") in {"true", ""}:
            return ProxyMode(mode="none", evidence="k3s runs with disable-kube-proxy")
        arguments = tuple(f"--{argument}" for argument in k3s_list(process, files, "kube-proxy-arg"))
    except DocumentError as error:
        return ProxyMode(mode="unknown", evidence=f"the configuration of k3s: {error}")
    return _of_text(option(arguments, "proxy-mode"), "kube-proxy-arg of k3s")


def _of_text(text: object, source: str) -> ProxyMode:
    if text is None or text == "":
        return ProxyMode(mode=_LINUX_DEFAULT, evidence=f"{source} is not set, the default is {_LINUX_DEFAULT}")
    mode = _MODES.get(text) if isinstance(text, str) else None
    if mode is None:
        return ProxyMode(mode="unknown", evidence=f"{source} names no mode of kube-proxy on Linux")
    return ProxyMode(mode=mode, evidence=f"{source} is {mode}")


def _is_k3s(process: NodeProcess) -> bool:
    return process.name in {"k3s", "k3s-server", "k3s-agent"}


def _named(processes: Iterable[NodeProcess], name: str) -> NodeProcess | None:
    return next((process for process in processes if process.name == name), None)
