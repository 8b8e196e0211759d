"""Which nodes a lab has and how they differ: a pure function of their number and a seed."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from fleet.lab import kinds_kubernetes, kinds_sysctl
from fleet.lab.specification import INSTALLED_FILES, INSTALLED_LIVE, NodeSpec

Kind = tuple[str, Callable[[NodeSpec, random.Random], NodeSpec]]
"""A group, and what makes a blank node of that group into one of the kind."""

_EACH_ONCE: tuple[Kind, ...] = (
    ("k3s-server", kinds_kubernetes.k3s_server),
    ("web", kinds_sysctl.hardened),
    ("k3s-agent", kinds_kubernetes.k3s_agent),
    ("web", kinds_sysctl.wide_port_range),
    ("ipvs", kinds_kubernetes.kube_proxy_ipvs),
    ("db", kinds_sysctl.reserved_ports),
    ("db", kinds_sysctl.shadowed),
    ("web", kinds_sysctl.sysctl_conf_link),
    ("web", kinds_sysctl.cargo_cult),
    ("web", kinds_sysctl.careless),
    ("db", kinds_sysctl.glob),
    ("web", kinds_kubernetes.kube_proxy_nftables),
)

# Beyond the first twelve: mostly nodes as they were installed, and k3s agents.
_MIXTURE: tuple[Kind, ...] = (
    *[("web", kinds_sysctl.plain)] * 4,
    *[("db", kinds_sysctl.plain)] * 2,
    *[("k3s-agent", kinds_kubernetes.k3s_agent)] * 4,
    *_EACH_ONCE,
)


def plan_nodes(count: int, seed: int) -> tuple[NodeSpec, ...]:
    """The nodes of a lab: the first twelve are one of each kind, the others are drawn by the seed.

    Names count up within a group, as in ``web-001``. A smaller lab is the beginning of a larger one of the same seed.
    """
    rng = random.Random(seed)  # noqa: S311 - repeatable variety, not a secret
    numbers: Counter[str] = Counter()
    nodes = []
    for index in range(count):
        group, build = _EACH_ONCE[index] if index < len(_EACH_ONCE) else rng.choice(_MIXTURE)
        numbers[group] += 1
        blank = NodeSpec(name=f"{group}-{numbers[group]:03d}", groups=(group,))
        nodes.append(_as_installed(build(blank, rng)))
    return tuple(nodes)


def _as_installed(node: NodeSpec) -> NodeSpec:
    live = {**dict(INSTALLED_LIVE), **dict(node.live)}
    return replace(node, files=(*INSTALLED_FILES, *node.files), live=tuple(live.items()))
