"""The nodes of a lab from outside: what they are made to hold before a run, what they hold after it, what they use."""

import subprocess
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import WrongResultError, cpu_of
from benchmarks.work import MARKED_KEY, MARKER, files, marked_value, values
from fleet import lab
from fleet.lab import processes
from fleet.lab.record import LabPaths, load

_PROC = Path("/proc")
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Nodes:
    """The running nodes: the id of process 1 of each, by its name."""

    inits: Mapping[str, int]

    @classmethod
    def of(cls, built: lab.Lab) -> "Nodes":
        """Find the nodes of a lab.

        Raises:
            RuntimeError: some do not run.
        """
        record = load(LabPaths(root=built.directory))
        found = {each.node: each.pid for each in processes.find(record.token) if each.is_init} if record else {}
        if missing := {node.name for node in built.nodes} - found.keys():
            raise RuntimeError(f"{len(missing)} nodes of the lab do not run, {min(missing)} among them")
        return cls({node.name: found[node.name] for node in built.nodes})

    def boot_ids(self) -> dict[str, str]:
        """The boot id of each."""
        return {name: (_root(pid) / "run/boot_id").read_text().strip() for name, pid in self.inits.items()}

    def present(self, keys: Iterable[str]) -> list[str]:
        """Those of some keys that the nodes have: modules are loaded for all of them or for none."""
        paths = {f"/proc/sys/{key.replace('.', '/')}": key for key in keys}
        pid = next(iter(self.inits.values()))
        found = _inside(pid, ["sh", "-c", 'for path; do [ ! -e "$path" ] || echo "$path"; done', "sh", *paths], "")
        return [paths[path] for path in found.splitlines()]

    def mark(self) -> None:
        """Give each node a file of its own."""
        for number, pid in enumerate(self.inits.values()):
            _file(pid, MARKER).write_text(f"{MARKED_KEY} = {marked_value(number)}\n")

    def put(self, state: int) -> None:
        """Bring all nodes to one of the two states."""
        text = "".join(f"/proc/sys/{key.replace('.', '/')} {value}\n" for key, value in values(state).items())

        def put_one(pid: int) -> None:
            for path, content in files(state).items():
                target = _file(pid, path)
                target.parent.mkdir(exist_ok=True)
                target.write_text(content)
            _inside(pid, ["sh", "-c", 'while read -r path value; do echo "$value" >"$path"; done'], text)

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(put_one, self.inits.values()))

    def check(self, state: int) -> None:
        """Look whether all nodes are in a state.

        Raises:
            WrongResultError: one is not.
        """
        paths = [f"/proc/sys/{key.replace('.', '/')}" for key in values(state)]
        wanted = list(values(state).values())

        def check_one(name: str) -> None:
            pid = self.inits[name]
            live = [" ".join(line.split()) for line in _inside(pid, ["cat", *paths], "").splitlines()]
            if live != wanted:
                raise WrongResultError(f"{name} has the values {live}, not {wanted}")
            for path, content in files(state).items():
                if (found := _file(pid, path).read_text()) != content:
                    raise WrongResultError(f"{name} has in {path} {found!r}, not {content!r}")

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(check_one, self.inits))

    def cpu(self) -> float:
        """Seconds of CPU that all of them have used so far: each of their processes is in their PID namespace."""
        spaces = {_namespace(pid) for pid in self.inits.values()}
        pids = (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal())
        return sum(cpu_of(pid) for pid in pids if _namespace(pid) in spaces)


def _root(pid: int) -> Path:
    return _PROC / str(pid) / "root"


def _file(pid: int, path: str) -> Path:
    return _root(pid) / path.lstrip("/")


def _inside(pid: int, command: list[str], stdin: str) -> str:
    """Run a command of this machine in the network namespace of a node."""
    return subprocess.run(  # noqa: S603 our own commands
        ["/usr/bin/nsenter", f"--net=/proc/{pid}/ns/net", *command],
        input=stdin,
        capture_output=True,
        check=True,
        text=True,
    ).stdout


def _namespace(pid: int) -> str:
    try:
        return str((_PROC / str(pid) / "ns/pid").readlink())
    except OSError:
        return ""
