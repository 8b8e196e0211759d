"""A small node in namespaces of its own, for what changes one: its /etc, /var/lib and network values are its alone.

Programs of the node can be trapped: at a given call they end the script, fail, or wait for the test.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from support.probe import NONCE, SHELLS

from fleet.plan.model import Change, FileState, NodePlan, Preconditions
from fleet.rollout.node import NodeAnswer, NodeJob, parse_node_answer

RUN = "20261121T000000Z-abcdef"
PROGRAMS = ("base64", "cat", "chmod", "cp", "date", "env", "flock", "ln", "ls", "mkdir", "modprobe", "mv", "readlink")
PROGRAMS += ("rm", "rmdir", "rmmod", "setsid", "sha256sum", "sleep", "sync", "sysctl", "systemctl", "systemd-run")
WRAPPER = Path(__file__).with_name("wrapper.sh")

# For tests that wait until a node undoes a run by itself: the run has to be done before, on a busy machine too.
SOON = 5.0
_DEADLINE = 60.0
_PROCESS_1 = (
    "import signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); print('up', flush=True); sys.stdin.read()"
)
_MOUNTS = """
mount -t tmpfs -o mode=0755 none "$0"
mkdir "$0/upper" "$0/work" "$0/bin"
mount -t overlay none -o "lowerdir=/etc,upperdir=$0/upper,workdir=$0/work" /etc
mount -t tmpfs -o mode=0755 none /var/lib
rm -rf /etc/sysctl.d /etc/modules-load.d
mkdir -p /etc/sysctl.d /etc/modules-load.d /etc/local.d /etc/systemd/system
echo first >"$0/boot_id"
mount --bind "$0/boot_id" /proc/sys/kernel/random/boot_id
exec "$@"
"""
_UNSHARE = (
    "unshare",
    "--mount",
    "--net",
    "--pid",
    "--fork",
    "--mount-proc",
    "--kill-child",
    "--propagation",
    "private",
)


@dataclass(frozen=True)
class Node:
    """The node.

    Attributes:
        pid: its process 1, as this machine numbers it.
        base: where the programs of the tests are, as the node sees it.
        shell: runs what a controller sends.
    """

    pid: int
    base: Path
    shell: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)

    def at(self, path: str | Path) -> Path:
        """Where this machine finds a path of the node."""
        return Path(f"/proc/{self.pid}/root{path}")

    def command(self, *words: str) -> list[str]:
        enter = ("nsenter", "--target", str(self.pid), "--mount", "--net", "--pid")
        return [*enter, "env", "-i", f"PATH={self.base}/bin:/usr/sbin:/usr/bin:/sbin:/bin", *words]

    def run(self, *words: str, check: bool = True) -> str:
        """What a command of the node prints; it is not trapped."""
        enter = self.command()[:-2]
        done = subprocess.run([*enter, *words], capture_output=True, text=True, check=False, timeout=_DEADLINE)
        assert not check or done.returncode == 0, (words, done)
        return done.stdout

    @contextmanager
    def start(self, *, arguments: Sequence[str] = ("-s", "--", NONCE)) -> Iterator[subprocess.Popen[bytes]]:
        """Starts the node's shell, which reads its standard input; its number goes where the traps look for it."""
        shell = " ".join(self.shell)
        with subprocess.Popen(
            self.command("sh", "-c", f'echo $$ >"$0/main"; exec {shell} "$@"', str(self.base), *arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            try:
                yield process
            except BaseException:
                # It would be waited for.
                self.run("sh", "-c", "kill -KILL -1", check=False)
                raise

    def send(self, program: bytes) -> bytes:
        """What a program prints."""
        with self.start() as process:
            answer, errors = process.communicate(program, timeout=_DEADLINE)
        assert errors == b"", errors
        return answer

    def ask(self, program: bytes) -> NodeAnswer:
        return parse_node_answer(self.send(program), nonce=NONCE, host="node-1")

    def undo(self, way: str = "timer", run: str = RUN) -> int:
        """Runs the undo that the node keeps; gives its exit status."""
        with self.start(arguments=(f"/var/lib/fleet/runs/{run}/undo.sh", way, run)) as process:
            process.communicate(timeout=_DEADLINE)
        return process.returncode

    def value(self, key: str) -> str:
        return self.run("cat", f"/proc/sys/{key.replace('.', '/')}").removesuffix("\n")

    def set_value(self, key: str, value: str) -> None:
        self.run("sh", "-c", 'printf "%s\\n" "$1" >"/proc/sys/$0"', key.replace(".", "/"), value)

    def calls(self) -> list[str]:
        """The programs that were called since the traps were last cleared."""
        path = self.at(self.base / "calls")
        return path.read_text().splitlines() if path.exists() else []

    def clear_traps(self) -> None:
        for path in self.at(self.base).iterdir():
            if path.name.startswith(("at-", "on-")):
                shutil.rmtree(path)
            elif path.name.startswith(("calls", "count")):
                path.unlink()

    def trap(self, where: str, action: str, words: str = "") -> Path:
        """Arms a trap, such as ``at-7`` or ``on-mv-2``, as wrapper.sh has them; gives its folder."""
        folder = self.at(self.base / where)
        folder.mkdir()
        (folder / "words").write_text(words)
        for name in ("reached", "go"):
            os.mkfifo(folder / name)
        (folder / "action").write_text(f"{action}\n")
        return folder

    def processes(self) -> list[str]:
        """Command lines of what runs on the node for fleet by itself."""
        lines = []
        for path in self.at("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):  # it has ended meanwhile
                lines.append(path.read_text().replace("\0", " ").strip())
        return [line for line in lines if "undo.sh" in line and not line.startswith(("sh -c", "dash -c"))]

    def leftovers(self) -> list[str]:
        """What a run leaves behind while it has not come to its end."""
        found = [
            f"{folder}/{name}"
            for top in ("/etc", "/var/lib")
            for folder, _, names in os.walk(self.at(top))  # unlike rglob it bears folders that go away meanwhile
            for name in names
            if name.startswith((".fleet-", "fleet-undo")) or (name == "pending" and folder.endswith("/lib/fleet"))
        ]
        return [*found, *self.processes()]

    def reboot(self) -> None:
        """Ends everything, gives the node another boot id, and clears what lives in memory only: no file is touched."""
        self.run("sh", "-c", "kill -KILL -1", check=False)
        self.at(self.base / "boot_id").write_text(f"{uuid.uuid4()}\n")


@contextmanager
def small_node(base: Path, shell: str = "dash") -> Iterator[Node]:
    """Builds a node; all of it is gone with its process 1.

    Args:
        base: a folder that exists.
        shell: a name of ``SHELLS``.
    """
    process_1 = (sys.executable, "-c", _PROCESS_1)
    with subprocess.Popen(
        [*_UNSHARE, "sh", "-ec", _MOUNTS, str(base), *process_1], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        try:
            assert holder.stdout.readline() == b"up\n"
            children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()
            node = Node(pid=int(children[0]), base=base, shell=SHELLS[shell])
            for name in PROGRAMS:
                shutil.copy(WRAPPER, node.at(base / "bin" / name)).chmod(0o755)
            yield node
        finally:
            holder.stdin.close()
            holder.send_signal(signal.SIGKILL)


def until(condition: Callable[[], object], what: str) -> None:
    """Waits for something, with a generous deadline."""
    deadline = time.monotonic() + _DEADLINE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def job(**fields: object) -> NodeJob:
    return NodeJob(**{"run_id": RUN, "who": "ops@desk", "confirm_within": 60.0, **fields})  # type: ignore[arg-type]


def file_change(target: str, before: str | None, after: str | None, **fields: object) -> Change:
    return _change("file", target, before, after, **fields)


def sysctl_change(target: str, before: str | None, after: str) -> Change:
    return _change("sysctl", target, before, after)


def _change(kind: str, target: str, before: str | None, after: str | None, **fields: object) -> Change:
    values = {"kind": kind, "target": target, "before": before, "after": after, "diff": "", "reason": "", **fields}
    return Change(controls=(), **values)  # type: ignore[arg-type]


def plan(
    *changes: Change,
    boot_id: str | None = "first",
    files: dict[str, FileState] | None = None,
    live: dict[str, str | None] | None = None,
) -> NodePlan:
    return NodePlan(
        changes=changes,
        kept=(),
        refused=(),
        remedies=(),
        risks=(),
        preconditions=Preconditions(boot_id=boot_id, files=files or {}, live=live or {}, writers=(), protected=()),
    )
