"""Hosts shared out to processes of this machine, as one interpreter computes on one core only.

Work and credentials reach a process through its pipe alone: not by a file, an argument or the environment.
"""

import copyreg
import io
import os
import pickle
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from threading import Event, Lock

from fleet.model.errors import InternalError
from fleet.model.secret import Secret
from fleet.runner.shards import Job, Visit, sendable, share_out, visit_one
from fleet.transport import SshTransport, Transport

_POLL = 0.2
_END_SECONDS = 5.0


class Processes:
    """Implements `fleet.runner.shards.Shards`: each process takes its next host when it is done with one.

    Args:
        processes: how many.
        workers: hosts in flight at most, in all of them together; no process is started that would have none.
        transport: makes the transport of each process.
    """

    def __init__(self, *, processes: int, workers: int, transport: Callable[[], Transport] = SshTransport) -> None:
        self._count = min(processes, workers)
        self._workers = workers
        self._transport = transport

    def visit(
        self, job: Job, visits: Sequence[Visit], *, started: Callable[[str], None], stop: Event
    ) -> Generator[tuple[str, object], None, None]:
        """Visit hosts; those of a process that dies are visited once more, by the one that takes its place."""
        count = min(self._count, len(visits))
        # The first ones take what is left over.
        sizes = [self._workers // count + (number < self._workers % count) for number in range(count)]
        waiting = deque(share_out(visits, count))
        run = _Run(job=job, transport=self._transport, waiting=waiting, started=started, stop=stop)
        is_done = False
        try:
            for size in sizes:
                run.add(size)
            while run.is_going():
                yield from run.answers()
            is_done = True
        finally:
            for member in run.members:
                member.end(at_once=not is_done)


@dataclass(slots=True, kw_only=True)
class _Run:
    """The hosts that wait, and the processes that visit the others."""

    job: Job
    transport: Callable[[], Transport]
    waiting: deque[Visit]
    started: Callable[[str], None]
    stop: Event
    members: list["_Member"] = field(default_factory=list)
    lost_once: set[str] = field(default_factory=set)

    def add(self, size: int) -> None:
        member = _start(self.job, self.transport, size)
        self.members.append(member)
        self._feed(member)

    def is_going(self) -> bool:
        return any(member.visits for member in self.members)

    def answers(self) -> Iterator[tuple[str, object]]:
        """Give what has come, if anything came in a moment, and hand out further hosts."""
        for pipe in wait([member.pipe for member in self.members], timeout=_POLL):
            member = next(each for each in self.members if each.pipe is pipe)
            try:
                name, outcome = member.pipe.recv()
            except (EOFError, ConnectionResetError):
                yield from self._replace(member)
            else:
                del member.visits[name]
                yield name, pickle.loads(outcome)  # noqa: S301 of our own process
                self._feed(member)

    def _feed(self, member: "_Member") -> None:
        while self.waiting and len(member.visits) < member.size and not self.stop.is_set():
            visit = self.waiting.popleft()
            member.visits[visit.host.name] = visit
            if visit.host.name not in self.lost_once:
                self.started(visit.host.name)
            member.send(visit)

    def _replace(self, member: "_Member") -> Iterator[tuple[str, object]]:
        """Put another process in the place of one that died; a host that was in hand twice is given up."""
        code = member.end(at_once=True)
        self.members.remove(member)
        for name, visit in member.visits.items():
            if name in self.lost_once:
                yield name, _lost(code)
            else:
                self.lost_once.add(name)
                self.waiting.appendleft(visit)
        self.add(member.size)


@dataclass(slots=True, eq=False)
class _Member:
    """A process, and the hosts it has in hand."""

    process: BaseProcess
    pipe: Pipe
    size: int
    visits: dict[str, Visit] = field(default_factory=dict)

    def send(self, visit: Visit) -> None:
        try:
            self.pipe.send_bytes(_with_secrets(visit))
        except (BrokenPipeError, ConnectionResetError):
            return  # It has died, and the end of its pipe, which is read next, says so.

    def end(self, *, at_once: bool) -> int | None:
        """Let it close what it has open, or kill it; tell its exit code."""
        if not at_once:
            try:
                self.pipe.send(None)
            except (BrokenPipeError, ConnectionResetError):
                at_once = True
            self.process.join(_END_SECONDS)
        if self.process.is_alive():
            self.process.kill()
        self.process.join()
        self.pipe.close()
        return self.process.exitcode


def _start(job: Job, transport: Callable[[], Transport], size: int) -> _Member:
    # Fresh processes: threads of ours may hold locks, which a fork would copy locked.
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, job, transport, size), name="fleet-shard", daemon=True)
    # Ctrl-C comes to the whole group, and is ours to act on: they inherit the mask,
    # which the helper of multiprocessing would take off again, if it were started with the first of them.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
    return _Member(process=process, pipe=ours, size=size)


def _with_secrets(visit: Visit) -> bytes:
    """Pickle what goes to a process of our own, through a pipe: the one way on which a secret leaves this process."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer)
    pickler.dispatch_table = {**copyreg.dispatch_table, Secret: lambda secret: (Secret, (secret.reveal(),))}
    pickler.dump(visit)
    return buffer.getvalue()


def _lost(code: int | None) -> InternalError:
    return InternalError(
        f"two processes that visited it have died, the last with exit code {code}: "
        "see whether memory is short (dmesg), use fewer --workers, or --runner threads"
    )


def _serve(pipe: Pipe, job: Job, new_transport: Callable[[], Transport], size: int) -> None:
    """Visit the hosts that come through the pipe, until it says that there are no more."""
    sending = Lock()
    transport = new_transport()

    def work(visit: Visit) -> None:
        outcome = sendable(visit_one(job, visit, transport))
        with sending:
            pipe.send((visit.host.name, outcome))

    with ThreadPoolExecutor(size, thread_name_prefix="fleet-worker") as pool:
        while True:
            try:
                visit = pipe.recv()
            except (EOFError, ConnectionResetError):
                os._exit(1)  # Whoever asked is gone.
            if visit is None:
                break
            pool.submit(work, visit)
    transport.close()
