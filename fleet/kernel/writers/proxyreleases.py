"""Which release the kube-proxy of a node may be of, wherever it runs."""

from fleet.kernel.k3s import k3s_list
from fleet.kernel.writers.releases import Releases, kube_releases
from fleet.model.errors import DocumentError
from fleet.model.facts import NodeFacts, NodeProcess

K3S = frozenset({"k3s", "k3s-server", "k3s-agent"})


def node_releases(facts: NodeFacts) -> Releases:
    """The releases of the node's kube-proxy, or of the k3s that runs it inside; open where none runs."""
    processes = facts.processes if isinstance(facts.processes, tuple) else ()
    for process in processes:
        if process.name == "kube-proxy":
            return kube_releases(process, facts, process.arguments)
    for process in processes:
        if process.name in K3S:
            return kube_releases(process, facts, _embedded(process, facts))
    return Releases()


def _embedded(process: NodeProcess, facts: NodeFacts) -> tuple[str, ...]:
    try:
        given = k3s_list(process, facts.files, "kube-proxy-arg")
    except DocumentError:
        # Without its configuration nothing is known of the flags, which leaves the range open.
        return ()
    return tuple(f"--{argument.removeprefix('--')}" for argument in given)
