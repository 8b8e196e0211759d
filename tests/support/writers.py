"""Nodes and writers for the tests of fleet.kernel.writers."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from support.kernel import node, process

from fleet.kernel.writers import Writer, find_writers
from fleet.model.facts import NodeFacts, NodeProcess

PROXY_FILE = "/var/lib/kube-proxy/config.conf"
K3S_FILE = "/etc/rancher/k3s/config.yaml"


def sized(facts: NodeFacts, *, cores: int = 4, kernel: str = "6.1.0-18-amd64", arch: str = "x86_64") -> NodeFacts:
    return replace(facts, identity=replace(facts.identity, cores=cores, kernel=kernel, arch=arch))


def image(minor: int) -> str:
    """An image of kube-proxy whose tag shows a release."""
    return f"registry.example/kube-proxy:v1.{minor}.3"


def kube_proxy(*arguments: str, minor: int | None = None) -> NodeProcess:
    """A kube-proxy in a container whose image shows its release, or of a release that nothing shows."""
    return replace(process("kube-proxy", *arguments), image="" if minor is None else image(minor))


def proxy_node(
    *arguments: str, minor: int | None = None, cores: int = 4, files: Mapping[str, str] | None = None
) -> NodeFacts:
    """A node with a kube-proxy of a known release, or of one that nothing shows."""
    return sized(node(processes=(kube_proxy(*arguments, minor=minor),), files=files), cores=cores)


def writers_of(facts: NodeFacts, key: str) -> list[Writer]:
    return [writer for writer in find_writers(facts) if writer.key == key]


def only(writers: Iterable[Writer]) -> Writer:
    (writer,) = writers
    return writer


def writes_of(facts: NodeFacts, key: str) -> set[tuple[str, str | None]]:
    """What the only writer of a key may do."""
    return {(write.rule, write.value) for write in only(writers_of(facts, key)).writes}
