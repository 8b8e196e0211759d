"""Lab nodes to which faults are done at a known moment of a rollout, and all that can be seen of them afterwards.

What runs on a node can be stopped at any call of a program: ``fault_trap.sh`` stands in for these programs there.
"""

import os
import select
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from support.lab import record_of

from fleet import lab
from fleet.lab import processes
from fleet.plan import Change

DEADLINE = 50.0
TRAP = Path(__file__).with_name("fault_trap.sh")
HERE = "/usr/local/lib/fleet-faults"
TRAP_FOLDER = "/run/fault-trap"
PROGRAMS = (
    *("base64", "cat", "chmod", "cp", "date", "env", "flock", "ln", "mkdir", "modprobe", "mv", "rm", "rmdir", "rmmod"),
    *("setsid", "sha256sum", "sync", "sysctl", "systemctl", "systemd-run"),
)

# Counters and lists of the kernel's own; no setting.
_NOT_SETTINGS = "nf_conntrack_count|tcp_available|tcp_fastopen_key|/stable_secret|route/flush|icmp_msgs"
# Of the whole machine, which others use meanwhile.
_MOVING = "/random/|ns_last_pid|/pty/nr|/sched_|perf_event_max_sample_rate|/numa_|stat_refresh"
# What a lab's node does not share with this machine, whose packages may change meanwhile.
_FOLDERS = "/etc/ssh /etc/sysctl.d /etc/modules-load.d /etc/modprobe.d /etc/systemd/system /etc/rancher"
_FOLDERS += " /etc/kubernetes /etc/default /etc/local.d /etc/fleet-made /usr/lib/sysctl.d /var/lib/rancher"
# What faults are made of, and what waits for the end of a run: that is for leftovers to tell.
_OURS = "'(' -name .fill -o -name 99-broken.conf -o -name '.fleet-*' -o -name 'fleet-undo*' ')'"
_READ_FILES = f"""
set -- {_FOLDERS}
find "$@" {_OURS} -o -printf '%p|%y %m %U:%G %l\\n'
echo --
find "$@" {_OURS} -o -type f -exec sha256sum {{}} +
echo --
find /etc/sysctl.d {_OURS} -o -type f -printf '%p %T@\\n'
"""
_READ_VALUES = f"cd /proc/sys/net && grep -rs '' . | grep -vE '{_NOT_SETTINGS}'"
_READ_MACHINE = f"cd /proc/sys && grep -rs '' vm kernel | grep -vE '{_MOVING}'"
_READ_LEFTOVERS = """
find /etc /run /var/lib '(' -name '.fleet-*' -o -name 'fleet-undo*' ')'
ls /var/lib/fleet/pending
[ ! -e /var/lib/fleet/lock ] || flock -n /var/lib/fleet/lock true || echo the lock is held
for each in /proc/[0-9]*; do
    line=$(tr '\\0' ' ' <"$each/cmdline")
    case $line in
        *undo.sh*[0-9]Z-* | "sleep "[1-9][0-9]*) echo "runs: $line" ;;
    esac
done
"""


@dataclass(frozen=True)
class State:
    """What a node has: bytes, kinds, modes, owners, links; when files were written; settings.

    Attributes:
        entries: kind, mode, owner and link of all below some folders of /etc and others.
        hashes: of the files among them.
        times: at which the files of /etc/sysctl.d were written.
        values: by path below /proc/sys/net.
    """

    entries: dict[str, str]
    hashes: dict[str, str]
    times: dict[str, str]
    values: dict[str, str]

    def unlike(self, other: "State") -> list[str]:
        """What differs, in words."""
        return [
            f"{name} {key}: {theirs.get(key)!r}, now {ours.get(key)!r}"
            for name in ("entries", "hashes", "times", "values")
            for ours, theirs in [(getattr(self, name), getattr(other, name))]
            for key in sorted({*ours, *theirs})
            if ours.get(key) != theirs.get(key)
        ]

    def changed_by(self, changes: Sequence[Change], made: Sequence[str] = ()) -> "State":
        """What the changes of a plan make of it, without the times.

        Args:
            changes: of files and values.
            made: folders that come with them.
        """
        entries, hashes, values = dict(self.entries), dict(self.hashes), dict(self.values)
        entries.update(dict.fromkeys(made, "d 755 0:0 "))
        for change in changes:
            if change.kind == "sysctl":
                key = change.target.removeprefix("net.").replace(".", "/")
                values[key] = "\t".join(str(change.after).split()) + "\n"
            elif change.after is None:
                del entries[change.target], hashes[change.target]
            else:
                entries.setdefault(change.target, f"f {change.mode or 0o644:o} 0:0 ")
                hashes[change.target] = sha256(change.after.encode()).hexdigest()
        return State(entries=entries, hashes=hashes, times={}, values=values)

    def without_times(self) -> "State":
        return State(entries=self.entries, hashes=self.hashes, times={}, values=self.values)


def until(condition: Callable[[], object], what: str, every: float = 0.05) -> None:
    """Wait for something."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"waited for {what}"
        select.select([], [], [], every)


class Trap:
    """Two FIFOs: on one somebody says that they have come here, on the other they wait to go on.

    Args:
        folder: which holds them; it is made.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        for name in ("reached", "go"):
            os.mkfifo(folder / name)
        # For both reading and writing, so that neither opening nor writing waits for the other side.
        self._reached, self._go = (os.open(folder / name, os.O_RDWR | os.O_CLOEXEC) for name in ("reached", "go"))

    def is_reached(self) -> bool:
        return bool(select.select([self._reached], [], [], 0)[0])

    def release(self) -> None:
        os.write(self._go, b"go\n")

    def close(self) -> None:
        os.close(self._reached)
        os.close(self._go)


@dataclass
class FaultNode:
    """One node of a lab.

    Attributes:
        pid: of its process 1, as this machine numbers it.
    """

    built: lab.Lab
    state_dir: Path
    name: str
    pid: int = 0
    traps: list[Trap] = field(default_factory=list)

    def at(self, path: str) -> Path:
        """Where this machine finds a path of the node."""
        return Path(f"/proc/{self.pid}/root{path}")

    def run(self, script: str, *, check: bool = True) -> str:
        """What a script prints on the node; no trap sees it."""
        enter = ("nsenter", "--target", str(self.pid), "--mount", "--net", "--pid", "/usr/bin/env", "-i", "LC_ALL=C")
        done = subprocess.run(
            [*enter, "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "sh", "-c", script],
            capture_output=True,
            check=False,
            cwd="/",
            text=True,
            errors="surrogateescape",
            timeout=DEADLINE,
        )
        assert not check or done.returncode == 0, (script, done)
        return done.stdout

    def find_pid(self) -> None:
        record = record_of(self.state_dir, self.built.name)
        assert record is not None
        [self.pid] = [
            process.pid for process in processes.find(record.token) if process.is_init and process.node == self.name
        ]

    def plant(self) -> None:
        """Put the stand-ins for programs in place; only for those that the node has."""
        sbin = self.at("/usr/local/sbin")
        self.at(HERE).mkdir()
        self.at(f"{HERE}/trap").write_bytes(TRAP.read_bytes())
        self.at(f"{HERE}/trap").chmod(0o755)
        there = self.run(f"for p in {' '.join(PROGRAMS)}; do command -v $p >/dev/null && echo $p; done; true").split()
        for program in there:
            (sbin / program).symlink_to(f"{HERE}/trap")

    def calls(self) -> list[str]:
        """The programs that were called, with their arguments."""
        path = self.at(f"{HERE}/calls")
        return path.read_text(errors="replace").splitlines() if path.exists() else []

    def set_trap(self, pattern: str, number: int) -> Trap:
        folder = self.at(TRAP_FOLDER)
        trap = Trap(folder)
        self.traps.append(trap)
        (folder / "number").write_text(f"{number}\n")
        (folder / "pattern").write_text(f"{pattern}\n")
        return trap

    def state(self) -> State:
        entries, hashes, times = (part.splitlines() for part in self.run(_READ_FILES, check=False).split("--\n"))
        assert len(hashes) > 5
        return State(
            entries=dict(_split(line, "|") for line in entries),
            hashes={path: digest for digest, path in (_split(line, "  ") for line in hashes)},
            times=dict(_split(line, " ") for line in times),
            values=_values(self.run(_READ_VALUES)),
        )

    def machine_values(self) -> dict[str, str]:
        """What can be read of /proc/sys/vm and /proc/sys/kernel."""
        return _values(self.run(_READ_MACHINE))

    def leftovers(self) -> list[str]:
        """What a run that has come to its end must not leave."""
        return self.run(_READ_LEFTOVERS, check=False).splitlines()

    def run_states(self) -> dict[str, str]:
        """The state of each run that the node keeps."""
        found = self.at("/var/lib/fleet/runs").glob("*/state.*")
        return {path.parent.name: path.suffix[1:] for path in found}

    def set_value(self, key: str, value: str) -> None:
        self.run(f"printf '%s\\n' {shlex.quote(value)} >/proc/sys/{key.replace('.', '/')}")

    def kill_sessions(self) -> None:
        """End the processes of sshd that serve a connection, and leave the one that listens."""
        self.run(
            "for each in /proc/[0-9]*; do read -r pid name state parent rest <$each/stat || continue;"
            ' case $name in "(sshd"*) [ "$parent" = 1 ] || kill -KILL $pid;; esac; done; true',
            check=False,
        )

    def stop_sshd(self) -> None:
        """Let nothing listen any more; connections that are there stay."""
        self.at("/etc/ssh/sshd_config.d").mkdir(exist_ok=True)
        self.at("/etc/ssh/sshd_config.d/99-broken.conf").write_text("NoSuchOption yes\n")
        self.run(
            "for each in /proc/[0-9]*; do read -r pid name state parent rest <$each/stat || continue;"
            ' case $name in "(sshd"*) [ "$parent" != 1 ] || kill -TERM $pid;; esac; done; true',
            check=False,
        )
        until(lambda: not processes.is_listening(self.pid), "sshd to stop")

    def start_sshd(self) -> None:
        self.at("/etc/ssh/sshd_config.d/99-broken.conf").unlink(missing_ok=True)
        until(lambda: processes.is_listening(self.pid), "sshd to listen")

    def set_link(self, state: str) -> None:
        """Plug the node's cable into the switch (up) or out (down)."""
        record = record_of(self.state_dir, self.built.name)
        assert record is not None
        [switch] = [process.pid for process in processes.find(record.token) if not process.node]
        port = int(self.built.node(self.name).address) - int(self.built.subnet.network_address)
        enter = ["nsenter", f"--net=/proc/{switch}/ns/net"]
        subprocess.run([*enter, "ip", "link", "set", f"port{port}", state], check=True, timeout=DEADLINE)

    def reboot(self) -> None:
        lab.restart(self.built, self.name)
        self.find_pid()

    def close(self) -> None:
        for trap in self.traps:
            trap.close()


@contextmanager
def fault_nodes(built: lab.Lab, state_dir: Path) -> Iterator[list[FaultNode]]:
    """All nodes of a lab, each with its stand-ins."""
    nodes = [FaultNode(built=built, state_dir=state_dir, name=node.name) for node in built.nodes]
    record = record_of(state_dir, built.name)
    assert record is not None
    pids = {process.node: process.pid for process in processes.find(record.token) if process.is_init}
    try:
        for node in nodes:
            node.pid = pids[node.name]
            node.plant()
        yield nodes
    finally:
        for node in nodes:
            node.close()


def _split(line: str, separator: str) -> tuple[str, str]:
    left, _, right = line.partition(separator)
    return left, right


def _values(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.splitlines():
        path, value = _split(line.removeprefix("./"), ":")
        found[path] = found.get(path, "") + value + "\n"
    assert len(found) > 50
    return found
