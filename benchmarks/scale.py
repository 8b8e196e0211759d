"""What reading a node costs on the way and at its end: ``python -m benchmarks.scale``, as root; docs/scale.md.

Round trips and bytes are seen by a relay between fleet and one node of a lab, and need no quiet machine.
"""

import asyncio
import gc
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Barrier, Event, Thread
from typing import Final

from fleet import lab
from fleet.cli.playbook import find_playbook
from fleet.facts import ProbeRequest
from fleet.lab import processes
from fleet.lab.record import LabPaths, load
from fleet.model.connection import Endpoint, TimeLimits
from fleet.policy import HostView, load_playbook, needed_files, needed_keys
from fleet.runner.audit import read_facts
from fleet.runner.inventory import FleetInventory, host_views
from fleet.transport import Command, Connection, SshTransport

PLAYBOOK: Final = "stop-conntrack-resets"
NODES: Final = 20
_ROUNDS: Final = 3
_AT_ONCE: Final = 10
_EACH: Final = 5
_DISTANT: Final = 1.0
"""Seconds of a round trip beside which all else is small."""
_SSHD_ENDS: Final = 20.0
_LIMITS: Final = TimeLimits(connect=60, auth=120, command=120)
_PORT: Final = 22


@dataclass(slots=True)
class Relay:
    """Carries connections to a node, late by half of a round trip in each direction, and counts their bytes."""

    address: str
    round_trip: float = 0.0
    port: int = 0
    to_node: int = 0
    from_node: int = 0
    _ready: Event = field(default_factory=Event)

    @contextmanager
    def running(self) -> Iterator[None]:
        loop = asyncio.new_event_loop()
        thread = Thread(target=loop.run_until_complete, args=(self._serve(stop := asyncio.Event()),))
        thread.start()
        self._ready.wait()
        try:
            yield
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()
            loop.close()

    async def _serve(self, stop: asyncio.Event) -> None:
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await stop.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        node_reader, node_writer = await asyncio.open_connection(self.address, _PORT)
        there = asyncio.create_task(self._pass_on(reader, node_writer, to_node=True))
        back = asyncio.create_task(self._pass_on(node_reader, writer, to_node=False))
        await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
        for end in (node_writer, writer):
            end.close()
        for task in (there, back):
            task.cancel()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, to_node: bool) -> None:
        loop = asyncio.get_running_loop()
        while data := await reader.read(65536):
            if to_node:
                self.to_node += len(data)
            else:
                self.from_node += len(data)
            loop.call_later(self.round_trip / 2, writer.write, data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node of the lab, as the commands reach it."""

    host: HostView
    endpoint: Endpoint


def nodes_of(built: lab.Lab) -> Sequence[Node]:
    return [
        Node(
            host=host,
            endpoint=Endpoint(
                name=host.name,
                address=str(built.node(host.name).address),
                user="root",
                identity_files=(str(built.identity_file),),
                use_agent=False,
                ssh_config="none",
                known_hosts=(str(built.known_hosts),),
                limits=_LIMITS,
            ),
        )
        for host in host_views(FleetInventory(str(built.inventory)).load())
    ]


def nothing(_host: HostView, _connection: Connection) -> None:
    """Only log in."""


def audited(host: HostView, connection: Connection) -> None:
    """Read what the audit of the playbook reads."""
    policy = load_playbook(find_playbook(PLAYBOOK))
    read_facts(host, connection, ProbeRequest(keys=needed_keys(policy), files=needed_files(policy)))


def said_nothing(_host: HostView, connection: Connection) -> None:
    """Run a command without output."""
    connection.run(Command(arguments=("true",)))


Job = Callable[[HostView, Connection], None]


def visit(transport: SshTransport, node: Node, job: Job) -> None:
    connection = transport.open(node.endpoint)
    try:
        job(node.host, connection)
    finally:
        connection.close()


def visit_all(nodes: Sequence[Node], job: Job) -> None:
    with SshTransport() as transport, ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(lambda node: visit(transport, node, job), nodes))


def relayed(node: Node, relay: Relay, directory: Path) -> Node:
    """The same node, reached through the relay, with its host key."""
    known = directory / "known_hosts"
    lines = Path((node.endpoint.known_hosts or ())[0]).read_text(encoding="ascii").splitlines()
    key = next(line.split(maxsplit=1)[1] for line in lines if line.split()[0] == relay.address)
    known.write_text(f"[127.0.0.1]:{relay.port} {key}\n", encoding="ascii")
    endpoint = replace(node.endpoint, address="127.0.0.1", port=relay.port, known_hosts=(str(known),))
    return replace(node, endpoint=endpoint)


def round_trips(node: Node, relay: Relay, job: Job) -> float:
    """How many times a visit waits for the way there and back, the connect of TCP among them."""
    took = []
    for relay.round_trip in (0.0, _DISTANT):
        times = []
        for _ in range(_ROUNDS):
            before = time.monotonic()
            visit_all([node], job)
            times.append(time.monotonic() - before)
        took.append(min(times))
    relay.round_trip = 0.0
    # The relay itself answers the connect.
    return 1 + (took[1] - took[0]) / _DISTANT


def inside(inits: Mapping[str, int]) -> Mapping[str, Sequence[int]]:
    """The processes of each node, which are those in its PID namespace."""
    spaces = {_namespace(pid): name for name, pid in inits.items()}
    found: dict[str, list[int]] = {name: [] for name in inits}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (name := spaces.get(_namespace(int(entry.name)))):
            found[name].append(int(entry.name))
    return found


def _namespace(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except OSError:
        return ""


def seconds_of_cpu(pid: int) -> float:
    """What a process has used, with its children that have ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0.0  # It has ended, and its parent has what it used.
    return sum(int(word) for word in stat.rpartition(")")[2].split()[11:15]) / os.sysconf("SC_CLK_TCK")


def node_cpu(inits: Mapping[str, int], nodes: Sequence[Node], job: Job) -> Mapping[str, float]:
    """Milliseconds of CPU of each node of the lab for one visit of these."""

    def used() -> Mapping[str, float]:
        return {name: sum(map(seconds_of_cpu, pids)) for name, pids in inside(inits).items()}

    def count() -> int:
        return sum(map(len, inside(inits).values()))

    idle, before = count(), used()
    for _ in range(_ROUNDS):
        visit_all(nodes, job)
    deadline = time.monotonic() + _SSHD_ENDS
    while count() > idle and time.monotonic() < deadline:
        time.sleep(0.1)
    return {name: 1000 * (after - before[name]) / _ROUNDS for name, after in used().items()}


def in_flight(nodes: Sequence[Node]) -> float:
    """KiB of memory of this process for each host in flight: a connection, what was read over it, and threads."""

    def resident() -> int:
        gc.collect()
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")

    many = [*nodes] * _EACH
    after: list[int] = []
    all_there = Barrier(len(many), action=lambda: after.append(resident()))
    with SshTransport() as transport, ThreadPoolExecutor(len(many)) as pool:
        visit(transport, nodes[0], audited)
        before = resident()

        def stay(host: HostView, connection: Connection) -> None:
            audited(host, connection)
            all_there.wait()

        list(pool.map(lambda node: visit(transport, node, stay), many))
    return (after[0] - before) / len(many) / 1024


def rows(built: lab.Lab, directory: Path) -> Iterator[tuple[str, str]]:
    record = load(LabPaths(root=built.directory))
    if record is None:
        raise RuntimeError("the lab has no record")
    inits = {each.node: each.pid for each in processes.find(record.token) if each.is_init and each.node}
    first, *others = nodes = nodes_of(built)
    relay = Relay(first.endpoint.address)
    with relay.running():
        far = relayed(first, relay, directory)
        visit_all([far], audited)
        yield "bytes to a node / from it, in an audit", f"{relay.to_node:,} / {relay.from_node:,}"
        for name, job in (("login", nothing), ("login and a command", said_nothing), ("audit", audited)):
            yield f"round trips, {name}", f"{round_trips(far, relay, job):.1f}"
    for name, job in (("login", nothing), ("audit", audited)):
        used = node_cpu(inits, nodes, job)
        yield f"CPU of a node, {name}", f"{sum(used[node.host.name] for node in nodes) / len(nodes):.0f} ms"
    hop = (f"root@{first.endpoint.address}",)
    behind = [replace(node, endpoint=replace(node.endpoint, proxy_jump=hop)) for node in others]
    used = node_cpu(inits, behind, audited)
    share = used[first.host.name] / len(behind)
    yield "CPU of a jump host, for each audit through it", f"{share:.1f} ms"
    yield "memory of the controller for each host in flight", f"{in_flight(nodes):.0f} KiB"


def main() -> None:
    directory = Path(tempfile.mkdtemp(prefix="fleet-scale-"))
    try:
        built = lab.up(lab.LabRequest(nodes=NODES, state_dir=directory))
        try:
            sys.stdout.write("| | |\n|---|---|\n")
            for name, value in rows(built, directory):
                sys.stdout.write(f"| {name} | {value} |\n")
                sys.stdout.flush()
        finally:
            lab.down(directory)
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
