"""Makes one cause after the other in namespaces of its own, and diagnoses the node in them.

Run as process 1 of namespaces: a line on stdin is ``{"kind", "seed"}`` in JSON, and so is each answer: the verdicts.
The programs are those of ``fleet prove``; between two readings they do what a cause is made of.
"""

import json
import random
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from fleet.diagnose import Evidence, Reading, judge
from fleet.diagnose.capture import judge_capture, read_capture
from fleet.diagnose.log import judge_log, logged_resets
from fleet.diagnose.lost import CLOSE
from fleet.facts import ProbeRequest
from fleet.kernel.catalogue import KEYS
from fleet.model.diagnosis import CauseVerdict
from fleet.policy import HostView
from fleet.prove.inside import conntrack
from fleet.prove.inside.addresses import CLIENT, NODE, SERVER
from fleet.prove.inside.listening import Filter, head, open_listener, receive, record
from fleet.prove.inside.pairs import Pair, connect, converse, fence, listen, settle
from fleet.prove.inside.tcp import forge
from fleet.prove.inside.world import BACKEND, OTHER_BACKEND, SERVICE, World
from fleet.runner.audit import read_facts
from fleet.runner.connections import read_connections
from fleet.runner.counters import read_counters
from fleet.transport.local import LocalConnection

Steps = Generator[None, None, list[str] | None]
"""What comes before the first reading, and after each bare ``yield`` before the next one; then a log, if any."""
SEEDS = 10

Told = dict[str, dict[str, dict[str, object]]]
"""By source, and by cause, the verdict and its evidence."""

_ABOVE = 1 << 30
_ESTABLISHED = "net.netfilter.nf_conntrack_tcp_timeout_established"
_CLOSE_WAIT = "net.netfilter.nf_conntrack_tcp_timeout_close_wait"
_LIBERAL = "net.netfilter.nf_conntrack_tcp_be_liberal"
_WITHIN = 20.0


@dataclass(frozen=True)
class Kind:
    """A cause as it is made.

    Attributes:
        cause: what has to be named; empty where nothing may be.
        in_capture: what a capture of all of it has to name; empty where it can show nothing.
        in_log: what the log has to name.
        values: sysctls of the node.
    """

    cause: str
    steps: Callable[[World, random.Random], Steps]
    in_capture: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    invalid_rule: bool = False
    in_log: str = ""


def calm(world: World, chance: random.Random) -> Steps:
    """Long connections that talk now and then, short ones that end in good order, some that are idle."""
    backend, _ = listen(world)
    pairs = connect(world, backend, chance.randint(2, 12), dialer=chance.choice((CLIENT, NODE)))
    idle = connect(world, backend, chance.randint(0, 5), dialer=CLIENT, keepalive=chance.choice((None, 1)))
    yield
    for _ in range(chance.randint(1, 3)):
        converse_again(pairs, chance)
    for _ in range(chance.randint(0, 30)):
        short_connection(world, backend)
    settle(idle)


def forged(dialer: str) -> Callable[[World, random.Random], Steps]:
    def steps(world: World, chance: random.Random) -> Steps:
        backend, _ = listen(world)
        pairs = connect(world, backend, chance.randint(1, 8), dialer=dialer)
        others = connect(world, backend, chance.randint(0, 5), dialer=CLIENT)
        yield
        raw = world.open_socket(SERVER, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
        for pair in pairs:
            raw.sendto(forge(pair.server.socket, above=_ABOVE), (pair.server.socket.getpeername()[0], 0))
        fence(world, dialer)
        if chance.random() < 0.5:
            converse(pairs, first="server")
        converse_again(others, chance)

    return steps


def lost(
    *, by: str, speaks: str, half_closed: bool = False, other: bool = False, keepalive: int | None = None
) -> Callable[[World, random.Random], Steps]:
    """``by`` flush or expiry; ``speaks`` is the end that speaks then, or empty where nobody has yet."""

    def steps(world: World, chance: random.Random) -> Steps:
        backend, other_backend = listen(world)
        pairs = connect(world, backend, chance.randint(1, 8), dialer=CLIENT, keepalive=keepalive)
        if half_closed:
            for pair in pairs:
                pair.half_close()
            settle(pairs)
        yield
        if by == "flush":
            world.enter(NODE)
            conntrack.flush()
        else:
            expire(world, pairs, chance)
        if other:
            world.serve(OTHER_BACKEND)
        others = connect(world, other_backend if other else backend, chance.randint(1, 3), dialer=CLIENT)
        if speaks:
            converse(pairs, first=speaks)
        converse_again(others, chance)

    return steps


def expire(world: World, pairs: list[Pair], chance: random.Random) -> None:
    """Let the entries of these connections reach their timeout in silence, and no others after them."""
    keys = [Path("/proc/sys", key.replace(".", "/")) for key in (_ESTABLISHED, _CLOSE_WAIT)]
    world.enter(NODE)
    usual = [key.read_text(encoding="ascii") for key in keys]
    for key in keys:
        key.write_text("2", encoding="ascii")
    # The next packet of a connection sets its timer anew.
    if pairs[0].is_half_closed:
        for pair in pairs:
            pair.server.socket.send(b"more")
        settle(pairs)
    else:
        converse_again(pairs, chance)
    time.sleep(2.5)  # silence is what is tried
    world.enter(NODE)
    for key, value in zip(keys, usual, strict=True):
        key.write_text(value, encoding="ascii")


def direct(world: World, chance: random.Random) -> Steps:
    """Clients that dial the pod itself: no address is translated, and a lost entry does no harm."""
    backend, _ = listen(world)
    pairs = []
    for _ in range(chance.randint(1, 8)):
        client = world.open_socket(CLIENT)
        client.connect(BACKEND)
        server = world.own(backend.accept()[0])
        pairs.append(Pair(client, server))
    converse_again(pairs, chance)
    yield
    world.enter(NODE)
    conntrack.flush()
    for pair in pairs:
        if chance.random() < 0.5:
            converse_again([pair], chance)


def full(world: World, chance: random.Random) -> Steps:
    """All runs at once: to fill a table takes long."""
    backend, _ = listen(world)
    pairs = connect(world, backend, chance.randint(1, 5), dialer=CLIENT)
    world.enter(NODE)
    conntrack.fill()
    for _ in range(SEEDS):
        yield
        before = dropped(world)
        for _ in range(chance.randint(1, 5)):
            client = world.open_socket(CLIENT)
            client.settimeout(0)
            client.connect_ex(SERVICE)
        deadline = time.monotonic() + _WITHIN
        while dropped(world) == before:
            if time.monotonic() > deadline:
                raise TimeoutError("nothing was dropped")
            time.sleep(0.01)
        converse_again(chance.sample(pairs, 1), chance)
    return None


def dropped(world: World) -> int:
    """How many packets the node has dropped because its table is full."""
    world.enter(NODE)
    text = Path("/proc/thread-self/net/stat/nf_conntrack").read_text(encoding="ascii")
    titles, *rows = [line.split() for line in text.splitlines()]
    return sum(int(row[titles.index("drop")], 16) for row in rows)


def ports(world: World, chance: random.Random) -> Steps:
    backend, _ = listen(world)
    first, count = 40000, 2 * chance.randint(10, 40)
    world.enter(CLIENT)
    Path("/proc/sys/net/ipv4/ip_local_port_range").write_text(f"{first} {first + count - 1}", encoding="ascii")
    for _ in range(count // 4):
        short_connection(world, backend)
    yield
    for _ in range(count - count // 4):
        short_connection(world, backend)
    client = world.open_socket(CLIENT)
    try:
        client.connect(SERVICE)
    except OSError:
        return
    raise AssertionError("a port was left")


def backlog(world: World, chance: random.Random) -> Steps:
    listener = world.open_socket(SERVER)
    listener.bind(BACKEND)
    listener.listen(chance.randint(0, 4))
    yield
    for _ in range(chance.randint(10, 20)):
        client = world.open_socket(CLIENT)
        client.settimeout(0)
        client.connect_ex(SERVICE)
    fence(world, CLIENT)


def application(world: World, chance: random.Random) -> Steps:
    backend, _ = listen(world)
    pairs = connect(world, backend, chance.randint(1, 8), dialer=CLIENT)
    others = connect(world, backend, chance.randint(1, 5), dialer=CLIENT)
    yield
    for pair in pairs:
        if chance.random() < 0.5:
            pair.client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            pair.server.send(b"unread")
            fence(world, CLIENT)
        pair.client.socket.close()
    fence(world, CLIENT)
    converse_again(others, chance)


def probes(world: World, chance: random.Random) -> Steps:
    """A health check that hangs up, as a kubelet's tcpSocket probe does, and a server that writes a log."""
    backend, _ = listen(world)
    others = connect(world, backend, chance.randint(1, 5), dialer=CLIENT)
    # Long, because a beat may be late on a busy machine, and a tenth of the interval is allowed.
    every, log = chance.uniform(6.0, 6.5), []
    yield
    start = time.monotonic()
    for beat in range(5):
        time.sleep(max(0.0, start + beat * every - time.monotonic()))  # the interval is what is tried
        client = world.open_socket(CLIENT)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.connect(SERVICE)
        server, peer = backend.accept()
        client.close()
        with server:
            try:
                server.recv(1)
            except ConnectionResetError as error:
                log.append(f"{datetime.now(UTC).isoformat()} read from {peer[0]}:{peer[1]}: {error.strerror}")
    converse_again(others, chance)
    return log


def refused(world: World, chance: random.Random) -> Steps:
    backend, _ = listen(world)
    others = connect(world, backend, chance.randint(1, 5), dialer=CLIENT)
    yield
    for _ in range(chance.randint(1, 10)):
        client = world.open_socket(CLIENT)
        assert client.connect_ex((BACKEND[0], 1)) != 0
    converse_again(others, chance)


def silent(world: World, chance: random.Random) -> Steps:
    backend, _ = listen(world)
    pairs = connect(world, backend, chance.randint(1, 8), dialer=CLIENT, keepalive=1)
    for pair in pairs:
        pair.client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 1)
    yield
    world.enter(NODE)
    subprocess.run(["ip", "link", "set", SERVER, "down"], check=True)
    poller = select.poll()
    waiting = {pair.client.socket.fileno() for pair in pairs}
    for pair in pairs:
        poller.register(pair.client.socket, 0)
    while waiting:
        for handle, _ in poller.poll(_WITHIN * 1000):
            poller.unregister(handle)
            waiting.discard(handle)


def converse_again(pairs: list[Pair], chance: random.Random) -> None:
    """A question and an answer on each, whoever begins."""
    for pair in pairs:
        one, other = chance.sample((pair.client.socket, pair.server.socket), 2)
        for sender, receiver in ((one, other), (other, one)):
            sender.send(b"data")
            ready, _, _ = select.select([receiver], [], [], _WITHIN)
            assert ready
            receiver.recv(64)
    settle(pairs)


def short_connection(world: World, backend: socket.socket) -> None:
    world.enter(CLIENT)
    with socket.socket() as client:
        client.settimeout(_WITHIN)
        client.connect(SERVICE)
        server, _ = backend.accept()
    with server:
        server.settimeout(_WITHIN)
        server.recv(1)


KINDS: Mapping[str, Kind] = {
    "healthy": Kind("", calm),
    "healthy, be_liberal against segments": Kind("", forged(CLIENT), values={_LIBERAL: "1"}),
    "healthy, INVALID rule against segments": Kind("", forged(CLIENT), invalid_rule=True),
    "healthy, dialled without a Service, flushed": Kind("", direct),
    "healthy, keepalive against a timeout": Kind("", lost(by="expiry", speaks="server", keepalive=1)),
    "segment above the window": Kind("invalid-segment", forged(CLIENT), "invalid-segment"),
    "segment above the window, hostNetwork": Kind("invalid-segment", forged(NODE), "invalid-segment"),
    "entry flushed, all silent": Kind("entry-lost", lost(by="flush", speaks="")),
    "entry flushed, the server speaks": Kind("entry-lost", lost(by="flush", speaks="server"), "entry-lost"),
    "entry timed out, the server speaks": Kind("entry-lost", lost(by="expiry", speaks="server"), "entry-lost"),
    "entry flushed, another backend": Kind("entry-lost", lost(by="flush", speaks="client", other=True), "entry-lost"),
    "half-closed, all silent": Kind("half-closed", lost(by="flush", speaks="", half_closed=True)),
    "half-closed, the server answers": Kind(
        "half-closed", lost(by="expiry", speaks="server", half_closed=True), "half-closed"
    ),
    "table full": Kind("table-full", full),
    "ports used up": Kind("port-exhaustion", ports),
    "backlog too short": Kind("backlog-overflow", backlog),
    "application aborts": Kind("application-reset", application, "application-reset"),
    "health check that hangs up": Kind("application-reset", probes, "health-check", in_log="health-check"),
    "nobody listens": Kind("refused", refused, "refused"),
    "silent peer": Kind("silent-peer", silent, "silent-peer"),
}
SLOW = frozenset(
    kind for kind in KINDS if any(word in kind for word in ("time", "server answers", "health", "silent peer"))
)
"""They wait for what takes its time."""


def diagnose(kind: Kind, seed: int) -> list[Told]:
    """Make it, and judge what each two readings show that follow each other."""
    chance = random.Random(seed)  # noqa: S311 # the same seed makes the same run
    connection = LocalConnection("node-1")
    host = HostView(name="node-1", groups=(), data={}, address="node-1")

    def read() -> Reading:
        world.enter(NODE)
        connections = read_connections("node-1", connection)
        return Reading(connections=connections, counters=read_counters("node-1", connection))

    # The readings may be far apart on a busy machine, and what was closed between them has to be there still.
    world = World({NODE: {CLOSE: "120", **kind.values}}, invalid_rule=kind.invalid_rule)
    with ExitStack() as stack:
        stack.callback(world.close)
        for place in (CLIENT, SERVER):
            world.enter(place)
            holder = subprocess.Popen(["sleep", "infinity"])
            stack.callback(holder.wait)
            stack.callback(holder.kill)
        steps = kind.steps(world, chance)
        # One listens from the beginning, the other joins when all connections stand.
        early = stack.enter_context(listening(world, NODE))
        next(steps)
        world.enter(NODE)
        facts = read_facts(host, connection, ProbeRequest(keys=tuple(KEYS)))
        answers: list[Told] = []
        log: list[str] | None = None
        second = None
        while log is None:
            late = stack.enter_context(listening(world, NODE))
            first = second or read()
            log = _next(steps)
            second = read()
            joined_late = judge_capture(read_capture(late()))
            found = {
                "readings": judge(Evidence(facts=facts, first=first, second=second)),
                "capture": joined_late if answers else judge_capture(read_capture(early())),
                "late capture": joined_late,
                "log": judge_log(logged_resets(log or (), datetime.now(UTC))),
            }
            answers.append({source: _told(verdicts) for source, verdicts in found.items()})
    return answers


def _next(steps: Steps) -> list[str] | None:
    """Do what comes before the next reading; None where there will be another one."""
    try:
        next(steps)
    except StopIteration as done:
        return done.value or []
    return None


def _told(verdicts: Iterable[CauseVerdict]) -> dict[str, dict[str, object]]:
    return {each.cause: {"verdict": each.verdict, "evidence": each.evidence} for each in verdicts}


@contextmanager
def listening(world: World, place: str) -> Iterator[Callable[[], BytesIO]]:
    """Listen there from now on; the result ends it, and gives all that came until then as a file."""
    world.enter(place)
    listener = world.own(open_listener())
    listener.settimeout(0)
    segments, file, is_over = Filter(["tcp"]), BytesIO(), threading.Event()
    file.write(head())

    def drain() -> None:
        while True:
            was_over = is_over.is_set()
            select.select([listener], [], [], 0 if was_over else 0.1)
            try:
                while True:
                    packet, at = receive(listener)
                    if segments.wants(packet):
                        file.write(record(packet, at))
            except BlockingIOError:
                if was_over:
                    return

    thread = threading.Thread(target=drain)

    def ended() -> BytesIO:
        is_over.set()
        thread.join()
        file.seek(0)
        return file

    thread.start()
    try:
        yield ended
    finally:
        is_over.set()
        thread.join()


def main() -> None:
    """Answer each line."""
    for line in sys.stdin:
        request = json.loads(line)
        sys.stdout.write(json.dumps(diagnose(KINDS[request["kind"]], request["seed"])) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
