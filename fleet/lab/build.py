"""Making the parts of a lab, in the order in which each needs the one before."""

import secrets
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from pathlib import Path

from fleet.lab import network
from fleet.lab.inventory import known_hosts, write_inventory
from fleet.lab.keys import KeyPair, new_key_pair
from fleet.lab.launch import Started, start_node, start_switch
from fleet.lab.model import Lab, LabNode
from fleet.lab.plan import plan_nodes
from fleet.lab.ready import Awaited, wait_until_ready
from fleet.lab.record import LabPaths, LabRecord, save
from fleet.lab.rootfs import Layer, separate_mounts, write_common_layer, write_node_layer
from fleet.lab.specification import NodeSpec
from fleet.lab.subnet import choosing, first_free, in_use
from fleet.model.errors import LabError

# Enough for the kernel to be busy, few enough for the limit of 1,024 open files that most shells start with.
_WAVE = 32
# The first addresses are the network's own and this machine's.
_FIRST_NODE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """Where a lab is built, and on what: ``mounts`` are those that need an overlay each besides /."""

    paths: LabPaths
    record: LabRecord
    subnet: IPv4Network
    switch: int
    mounts: tuple[str, ...]

    def directory(self, name: str) -> Path:
        return self.paths.nodes / name


def build(paths: LabPaths, record: LabRecord, ready_within: float) -> Lab:
    """Builds everything of a lab whose record is written.

    Raises:
        LabError: a part cannot be built; what was built stands, for `fleet.lab.remove.remove_everything`.
    """
    specs = plan_nodes(record.nodes, record.seed)
    plot = _break_ground(paths, record)
    lab = describe(paths, plot.subnet, specs)
    identity = new_key_pair()
    _write_identity(paths, identity)
    _mount_nodes(paths)
    common = _layer(paths.nodes / ".common", plot.mounts)
    write_common_layer(common, authorized=identity, hosts=[(str(node.address), node.name) for node in lab.nodes])

    host_keys = [new_key_pair() for _ in specs]
    for spec, host_key in zip(specs, host_keys, strict=True):
        _prepare(plot, spec, host_key)
    addresses = [str(node.address) for node in lab.nodes]
    paths.known_hosts.write_text(known_hosts(zip(addresses, [key.public for key in host_keys], strict=True)))
    write_inventory(paths, lab.nodes)

    awaited: list[Awaited] = []
    for first in range(0, len(specs), _WAVE):
        awaited += start_nodes(plot, lab.nodes[first : first + _WAVE])
    wait_until_ready(awaited, ready_within)
    return lab


def start_nodes(plot: Plot, nodes: Sequence[LabNode]) -> list[Awaited]:
    """Starts prepared nodes, connects them to the switch and lets them go on.

    Raises:
        LabError: one did not start, or cannot be connected.
    """
    here = plot.subnet[1]
    with ExitStack() as stack:
        started: list[Started] = []
        for node in nodes:
            addresses = [f"{node.address}/{plot.subnet.prefixlen}", str(here), network.hardware_address(here)]
            directory = plot.directory(node.name)
            started.append(
                stack.enter_context(start_node(plot.record.token, node.name, [*addresses, *plot.mounts], directory))
            )
        pids = {node.address: process.pid for node, process in zip(nodes, started, strict=True)}
        network.connect_nodes(plot.record.uplink, plot.subnet, plot.switch, pids)
        for process in started:
            process.go()
    return [
        Awaited(name=node.name, address=node.address, pid=process.pid, log=plot.directory(node.name) / "log")
        for node, process in zip(nodes, started, strict=True)
    ]


def describe(paths: LabPaths, subnet: IPv4Network, specs: Sequence[NodeSpec]) -> Lab:
    """The lab that stands, or will stand, in that place."""
    return Lab(
        name=paths.root.name,
        directory=paths.root,
        subnet=subnet,
        nodes=tuple(
            LabNode(name=spec.name, address=subnet[_FIRST_NODE + index], groups=spec.groups, planted=spec.planted)
            for index, spec in enumerate(specs)
        ),
        inventory=paths.inventory,
        known_hosts=paths.known_hosts,
        identity_file=paths.identity,
    )


def mounts_of_this_machine() -> tuple[str, ...]:
    """The mounts that need an overlay each."""
    return separate_mounts(Path("/proc/self/mountinfo").read_text())


def _break_ground(paths: LabPaths, record: LabRecord) -> Plot:
    with choosing():
        chosen = first_free(in_use())
        if chosen is None:
            raise LabError("all of 198.18.0.0/15 is in use on this machine; remove a lab with `fleet lab down`")
        record = replace(record, subnet=str(chosen))
        save(paths, record)
        with start_switch(record.token, paths.root / "switch.log") as switch:
            network.connect_machine(record.uplink, chosen, switch.pid)
            switch.go()
    return Plot(paths=paths, record=record, subnet=chosen, switch=switch.pid, mounts=mounts_of_this_machine())


def _write_identity(paths: LabPaths, identity: KeyPair) -> None:
    paths.identity.touch(mode=0o600)
    paths.identity.write_text(identity.private)
    paths.identity.with_suffix(".pub").write_text(f"{identity.public}\n")


def _mount_nodes(paths: LabPaths) -> None:
    paths.nodes.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "mode=0755", "fleet-lab", str(paths.nodes)]
    result = subprocess.run(command, capture_output=True, check=False, text=True)  # noqa: S603 - a path of ours
    if result.returncode != 0:
        raise LabError(f"no tmpfs can be mounted on {paths.nodes}: {result.stderr.strip()}")


def _layer(directory: Path, mounts: Sequence[str], name: str = "upper") -> Layer:
    folders = {"/": directory / name}
    folders |= {mount: directory / f"{name}-{number}" for number, mount in enumerate(mounts, start=1)}
    for folder in folders.values():
        folder.mkdir(parents=True)
    return Layer(folders)


def _prepare(plot: Plot, spec: NodeSpec, host_key: KeyPair) -> None:
    directory = plot.directory(spec.name)
    layer = _layer(directory, plot.mounts)
    _layer(directory, plot.mounts, "work")
    (directory / "root").mkdir()
    write_node_layer(layer, spec, machine_id=secrets.token_hex(16), host_key=host_key)
