"""A node in a few words, for results."""

from fleet.kernel.kube import distribution, proxy_mode
from fleet.kernel.writers import node_releases
from fleet.model.facts import NodeFacts, Unavailable
from fleet.model.finding import NodeSummary


def summarise(facts: NodeFacts) -> NodeSummary:
    """What is told of every node: kernel, system, Kubernetes, and its conntrack table."""
    identity, conntrack = facts.identity, facts.conntrack
    kubernetes = distribution(facts)
    mode = proxy_mode(facts).mode
    return NodeSummary(
        kernel=identity.kernel,
        system=identity.os.pretty_name,
        cores=identity.cores,
        ram_bytes=identity.ram_bytes,
        kubernetes=None if isinstance(kubernetes, Unavailable) else kubernetes,
        proxy_mode=mode,
        proxy_release="none" if mode == "none" else str(node_releases(facts)),
        conntrack_count=_known(conntrack.count),
        conntrack_max=_known(conntrack.max),
        conntrack_buckets=_known(conntrack.buckets),
    )


def _known(number: int | Unavailable) -> int | None:
    return None if isinstance(number, Unavailable) else number
