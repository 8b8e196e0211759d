"""The files by which others reach the machines: nornir's SimpleInventory and OpenSSH's known_hosts."""

from collections.abc import Iterable

import yaml

from fleet.lab.record import LabPaths
from fleet.lab.vm.model import LOOPBACK, Machine, Release

OPERATOR = "ops"


def write_inventory(paths: LabPaths, machines: Iterable[Machine], release: Release) -> None:
    """Writes hosts.yaml, groups.yaml and defaults.yaml: as ``ops``, who becomes root by sudo without a password."""
    hosts = {
        machine.name: {"hostname": str(LOOPBACK), "port": machine.port, "groups": ["vm", release]}
        for machine in machines
    }
    extras = {"identity_files": [str(paths.identity)], "known_hosts": [str(paths.known_hosts)], "become": "sudo"}
    defaults = {"username": OPERATOR, "connection_options": {"fleet": {"extras": extras}}}
    paths.inventory.mkdir()
    for name, content in (("hosts", hosts), ("groups", {"vm": {}, release: {}}), ("defaults", defaults)):
        (paths.inventory / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))


def known_hosts(keys: Iterable[tuple[Machine, str]]) -> str:
    """Lines of known_hosts, from machines and public keys."""
    return "".join(f"[{LOOPBACK}]:{machine.port} {key}\n" for machine, key in keys)
