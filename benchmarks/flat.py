"""What one more host costs as the fleet grows: ``python -m benchmarks.flat``, docs/benchmarks.md.

Audit, plan, their reports and the history run as in the commands, over a transport without a network that gives each
host a captured answer with a name, a boot and a count of connections of its own. Each size has a process of its own.
"""

import gc
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from nornir.core.inventory import Host, Hosts, Inventory

from fleet.cli.playbook import find_playbook
from fleet.cli.recording import recorded
from fleet.cli.shipped import shipped
from fleet.drift.history.location import history_location
from fleet.drift.history.recorder import Outcome, Recorder
from fleet.facts import key_in_dots
from fleet.facts.request import key_path
from fleet.model.connection import Completed, Endpoint
from fleet.model.history import HistoryKind
from fleet.plan import plan_pieces
from fleet.policy import Policy, load_playbook, needed_keys
from fleet.render import Templates
from fleet.report.audit_json import audit_json
from fleet.report.history_hosts import audit_history, plan_history
from fleet.report.plan_terminal import render_plan
from fleet.report.terminal import render_audit
from fleet.report.trend import trend_point
from fleet.runner.audit import audit
from fleet.runner.fleet import Fleet
from fleet.runner.plan import plan
from fleet.transport import Command

SIZES: Final = (100, 1_000, 10_000)
PLAYBOOK: Final = "stop-conntrack-resets"
ROOT: Final = Path(__file__).parents[1]
ANSWER: Final = ROOT / "tests/data/facts/dash-root.answer"
_BOOT = b"c977e220-61d3-40a9-9467-53895c62c614"
_NAME = b"node-1.example"
_WARM_UP = 20
_PAGE = os.sysconf("SC_PAGE_SIZE")
_MIB, _KIB = 2**20, 2**10


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a fleet of one size costs.

    Attributes:
        cpu: seconds of each step, of the whole process.
        peak: bytes of the process at its largest.
        grown: bytes by which it has grown since the first few hosts.
    """

    hosts: int
    cpu: Mapping[str, float]
    peak: int
    grown: int

    @property
    def a_host(self) -> float:
        """Seconds of CPU of all steps."""
        return sum(self.cpu.values()) / self.hosts


class Answers:
    """Implements `fleet.transport.command.Transport`: each host gives the captured answer, with what is its own.

    Args:
        policy: the keys that it asks for and the capture lacks are put into it.
    """

    def __init__(self, policy: Policy) -> None:
        captured = ANSWER.read_bytes()
        self._nonce = captured.split(b" ", 1)[0]
        asked = [f"/proc/sys/{key_path(key_in_dots(key))}".encode() for key in needed_keys(policy)]
        lacking = [path for path in asked if b" " + path + self._nonce not in captured]
        self._captured = self._with_more(captured, lacking)

    def _with_more(self, captured: bytes, paths: Sequence[bytes]) -> bytes:
        values, contents = (b"\n" + self._nonce + b" " + name + b"\n" for name in (b"values", b"contents"))
        kinds = b"".join(self._nonce + b"=value w " + path for path in paths)
        texts = b"".join(b"%d\n%b=\0" % (number, self._nonce) for number, _ in enumerate(paths))
        return captured.replace(values, values + kinds, 1).replace(contents, contents + texts, 1)

    def open(self, endpoint: Endpoint) -> "Answering":
        """Connect to a host by its name."""
        name = endpoint.name.encode()
        boot = str(uuid.uuid5(uuid.NAMESPACE_DNS, endpoint.name)).encode()
        return Answering(self._captured.replace(_NAME, name).replace(_BOOT, boot), self._nonce)

    def close(self) -> None:
        """Nothing stays open."""


class Answering:
    """A connection that gives one answer, under the nonce that is asked for."""

    def __init__(self, answer: bytes, nonce: bytes) -> None:
        self._answer = answer
        self._nonce = nonce

    def run(self, command: Command) -> Completed:
        """Answer as the probe."""
        nonce = command.arguments[3].encode()
        return Completed(exit_status=0, stdout=self._answer.replace(self._nonce, nonce), stderr=b"")

    def close(self) -> None:
        """Nothing stays open."""


def measure(task: str, size: int) -> Cost:
    """Take a fleet of so many hosts through a task of `TASKS`, in this process."""
    # As the program does: fleet/cli/loading.py.
    gc.freeze()
    gc.set_threshold(50_000)
    with tempfile.TemporaryDirectory() as directory:
        # What is loaded or worked out once does not count.
        TASKS[task](_Work(_WARM_UP, Path(directory)))
        before = _resident()
        work = _Work(size, Path(directory))
        TASKS[task](work)
        peak = _peak()
        return Cost(hosts=size, cpu=work.cpu, peak=peak, grown=max(0, peak - before))


class _Work:
    """A fleet of one size, and what each step on it took."""

    def __init__(self, size: int, directory: Path) -> None:
        self.policy = load_playbook(find_playbook(PLAYBOOK))
        self.names = [f"node-{number:05}" for number in range(size)]
        self.cpu: dict[str, float] = {}
        self._history = history_location(None, directory)
        self._answers = Answers(self.policy)

    def fleet(self) -> Fleet:
        hosts = {name: Host(name, hostname=name, username="root", port=22) for name in self.names}
        return Fleet(Inventory(hosts=Hosts(hosts)), self._answers)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time one step."""
        start = time.process_time()
        yield
        self.cpu[name] = time.process_time() - start

    @contextmanager
    def recorded(self, kind: HistoryKind) -> Iterator[Recorder]:
        """Keep a run in a history, and time the end of that."""
        with recorded(kind, self._history, playbook=PLAYBOOK, digest=self.policy.digest) as recorder:
            recorder.wait()
            yield recorder
            start = time.process_time()
        self.cpu["history"] = time.process_time() - start


def _audit(work: _Work) -> None:
    with work.recorded("audit") as recorder:
        with work.step("nodes"), work.fleet() as fleet:
            result = audit(fleet, work.policy, hosts=work.names, playbook=PLAYBOOK, run_id=recorder.run_id)
        with work.step("table"):
            render_audit(result, verbosity=0, width=100)
        recorder.came_to(
            lambda: Outcome(
                hosts=audit_history(result), parts={"result": audit_json(result)}, point=trend_point(result)
            )
        )


def _plan(work: _Work) -> None:
    templates = Templates(shipped("templates"))
    with work.recorded("plan") as recorder:
        with work.step("nodes"), work.fleet() as fleet:
            result = plan(fleet, work.policy, hosts=work.names, playbook=PLAYBOOK, templates=templates)
        with work.step("table"):
            render_plan(result, verbosity=0, width=100)
        recorder.came_to(lambda: Outcome(hosts=plan_history(result), parts={"result": plan_pieces(result)}))


TASKS: Final[Mapping[str, Callable[[_Work], None]]] = {"audit": _audit, "plan": _plan}


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE


def _peak() -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * _KIB for line in lines if line.startswith("VmHWM:"))


def measured_apart(task: str, size: int) -> Cost:
    """The same in a process of its own, whose memory is its own."""
    child = subprocess.run(  # noqa: S603 it is this file
        [sys.executable, "-m", "benchmarks.flat", task, str(size)],
        check=True,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    return Cost(**json.loads(child.stdout))


def table(task: str, costs: Sequence[Cost]) -> str:
    """What a host costs at each size, as Markdown."""
    steps = list(costs[0].cpu)
    lines = [
        f"| {task} of hosts | {', ms a host | '.join(steps)}, ms a host | CPU ms a host | KiB a host | peak MiB |",
        f"|{'---|' * (len(steps) + 4)}",
    ]
    for cost in costs:
        each = " | ".join(f"{1e3 * cost.cpu[step] / cost.hosts:.2f}" for step in steps)
        memory = f"{cost.grown / cost.hosts / _KIB:.0f} | {cost.peak / _MIB:.0f}"
        lines.append(f"| {cost.hosts:,} | {each} | {1e3 * cost.a_host:.2f} | {memory} |")
    return "\n".join(lines)


def main() -> None:
    """Print what each task costs at each size; or, of a task and a size that are named, its cost as JSON."""
    if sys.argv[1:]:
        task, size = sys.argv[1:]
        print(json.dumps(asdict(measure(task, int(size)))))
        return
    for task in TASKS:
        print(table(task, [measured_apart(task, size) for size in SIZES]), end="\n\n")


if __name__ == "__main__":
    main()
