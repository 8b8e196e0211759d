"""A lab's life: up, status, down; and a node's: kill, restart."""

import secrets
from pathlib import Path

from fleet.lab import network, processes
from fleet.lab.build import Plot, build, describe, mounts_of_this_machine, start_nodes
from fleet.lab.model import MOST_NODES, Lab, LabRequest, LabStatus, NodeStatus
from fleet.lab.plan import plan_nodes
from fleet.lab.ready import wait_until_ready
from fleet.lab.record import LabPaths, LabRecord, lab_paths, load, locked, save
from fleet.lab.remove import remove_everything
from fleet.lab.requirements import missing_requirements, require, require_root
from fleet.model.errors import LabError, UsageError

_RESTARTED_WITHIN = 30.0


def up(request: LabRequest) -> Lab:
    """Builds a lab and returns when all its nodes answer; builds all or leaves nothing.

    Raises:
        UsageError: the name or the number of nodes will not do.
        LabError: this machine cannot run a lab, there is a lab of that name already, or a node does not come up.
    """
    if not 1 <= request.nodes <= MOST_NODES:
        raise UsageError(f"a lab has 1 to {MOST_NODES} nodes, not {request.nodes}")
    paths = lab_paths(request.state_dir, request.name)
    require(missing_requirements())
    try:
        paths.root.parent.mkdir(parents=True, exist_ok=True)
        paths.root.mkdir()
    except FileExistsError as error:
        raise LabError(
            f"lab {request.name!r} is there already ({paths.root}); remove it with `fleet lab down`"
        ) from error
    except OSError as error:
        raise LabError(f"no folder for the lab can be made: {error}") from error
    with locked(paths):
        record = LabRecord(token=secrets.token_hex(16), nodes=request.nodes, seed=request.seed)
        try:
            save(paths, record)
            return build(paths, record, request.ready_within)
        except BaseException:
            remove_everything(paths, record)
            raise


def status(state_dir: Path, name: str = "default") -> LabStatus:
    """How the lab and its nodes are now; asks the kernel, not the nodes.

    Raises:
        UsageError: that is no name for a lab.
        LabError: there is no such lab, or ``up`` was cut off.
    """
    require_root()
    paths, record = _existing(state_dir, name)
    lab = _lab(paths, record)
    inits = {process.node: process.pid for process in processes.find(record.token) if process.is_init}
    memory = processes.memory({pid: node for node, pid in inits.items()})
    return LabStatus(
        lab=lab,
        nodes=tuple(
            NodeStatus(
                node=node,
                pid=inits.get(node.name),
                listening=node.name in inits and processes.is_listening(inits[node.name]),
                memory_bytes=memory.get(node.name, 0),
            )
            for node in lab.nodes
        ),
    )


def down(state_dir: Path, name: str = "default") -> bool:
    """Removes a lab, or what a killed ``up`` or ``down`` left of it.

    Returns:
        Whether there was one.

    Raises:
        UsageError: that is no name for a lab.
        LabError: another command is at work on it, or something of it does not go away.
    """
    paths = lab_paths(state_dir, name)
    if not paths.root.exists():
        return False
    require_root()
    with locked(paths):
        remove_everything(paths, load(paths))
    return True


def kill(lab: Lab, node: str) -> None:
    """Ends a node as if its power were cut: no connection is closed, no answer comes any more.

    Raises:
        KeyError: the lab has no such node.
        LabError: the node does not end.
    """
    plot = _plot(lab)
    address = lab.node(node).address
    processes.kill_all(plot.record.token, node=node)
    network.disconnect_node(lab.subnet, plot.switch, address)


def restart(lab: Lab, node: str) -> None:
    """Boots a node again, up or down: what it wrote outside /run and /tmp is there, live values are the planted ones.

    Raises:
        KeyError: the lab has no such node.
        LabError: the node does not end, or does not come up.
    """
    kill(lab, node)
    wait_until_ready(start_nodes(_plot(lab), [lab.node(node)]), _RESTARTED_WITHIN)


def log(lab: Lab, node: str) -> str:
    """What sshd and process 1 of the node have said since it was made, not to be trusted; sshd logs at VERBOSE.

    Raises:
        KeyError: the lab has no such node.
    """
    return (LabPaths(root=lab.directory).nodes / lab.node(node).name / "log").read_text(errors="replace")


def _existing(state_dir: Path, name: str) -> tuple[LabPaths, LabRecord]:
    paths = lab_paths(state_dir, name)
    if not paths.root.exists():
        raise LabError(f"there is no lab {name!r} in {state_dir}; build one with `fleet lab up`")
    record = load(paths)
    if record is None:
        raise LabError(f"lab {name!r} was never finished; remove it with `fleet lab down`")
    return paths, record


def _lab(paths: LabPaths, record: LabRecord) -> Lab:
    if record.network is None:
        raise LabError(f"lab {paths.root.name!r} was never finished; remove it with `fleet lab down`")
    return describe(paths, record.network, plan_nodes(record.nodes, record.seed))


def _plot(lab: Lab) -> Plot:
    paths, record = _existing(lab.directory.parent.parent, lab.name)
    switch = next((process.pid for process in processes.find(record.token) if not process.node), None)
    if switch is None:
        raise LabError(f"lab {lab.name!r} is down; remove it with `fleet lab down` and build it again")
    return Plot(paths=paths, record=record, subnet=lab.subnet, switch=switch, mounts=mounts_of_this_machine())
