"""Nodes and writers for the tests of fleet.kernel.writers."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from support.kernel import node, process

from fleet.kernel.writers import Writer, find_writers
from fleet.model.facts import NodeFacts

PROXY_FILE = "/var/lib/kube-proxy/config.conf"
K3S_FILE = "/etc/rancher/k3s/config.yaml"
MANIFEST = "/var/lib/rancher/rke2/agent/pod-manifests/kube-proxy.yaml"


def sized(facts: NodeFacts, *, cores: int = 4, kernel: str = "6.1.0-18-amd64", arch: str = "x86_64") -> NodeFacts:
    return replace(facts, identity=replace(facts.identity, cores=cores, kernel=kernel, arch=arch))


def manifest(minor: int) -> str:
    """A pod manifest whose image shows a release."""
    return f"spec:\n  containers:\n  - image: registry.example/kube-proxy:v1.{minor}.3\n"


def proxy_node(
    *arguments: str, minor: int | None = None, cores: int = 4, files: Mapping[str, str] | None = None
) -> NodeFacts:
    """A node with a kube-proxy of a known release, or of one that nothing shows."""
    shown = {} if minor is None else {MANIFEST: manifest(minor)}
    return sized(node(processes=(process("kube-proxy", *arguments),), files={**shown, **(files or {})}), cores=cores)


def writers_of(facts: NodeFacts, key: str) -> list[Writer]:
    return [writer for writer in find_writers(facts) if writer.key == key]


def only(writers: Iterable[Writer]) -> Writer:
    (writer,) = writers
    return writer


def writes_of(facts: NodeFacts, key: str) -> set[tuple[str, str | None]]:
    """What the only writer of a key may do."""
    return {(write.rule, write.value) for write in only(writers_of(facts, key)).writes}
