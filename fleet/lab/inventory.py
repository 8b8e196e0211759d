"""The files by which others reach the nodes: nornir's SimpleInventory and OpenSSH's known_hosts."""

from collections.abc import Iterable
from typing import Any

import yaml

from fleet.lab.model import LabNode
from fleet.lab.record import LabPaths


def write_inventory(paths: LabPaths, nodes: Iterable[LabNode]) -> None:
    """Writes hosts.yaml, groups.yaml and defaults.yaml; what is planted in a node is in its data."""
    nodes = tuple(nodes)
    hosts = {
        node.name: {
            "hostname": str(node.address),
            "groups": list(node.groups),
            "data": {"planted": [str(word) for word in node.planted]},
        }
        for node in nodes
    }
    groups: dict[str, Any] = {group: {} for group in sorted({group for node in nodes for group in node.groups})}
    extras = {"identity_files": [str(paths.identity)], "known_hosts": [str(paths.known_hosts)]}
    defaults = {"username": "root", "port": 22, "connection_options": {"fleet": {"extras": extras}}}
    paths.inventory.mkdir()
    for name, content in (("hosts", hosts), ("groups", groups), ("defaults", defaults)):
        (paths.inventory / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def known_hosts(keys: Iterable[tuple[str, str]]) -> str:
    """Lines of known_hosts, from addresses and public keys."""
    return "".join(f"{address} {key}\n" for address, key in keys)
