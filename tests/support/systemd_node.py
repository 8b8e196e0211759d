"""A node that systemd has booted, and that can be booted again, in namespaces of its own."""

import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from support.node import Node, until
from support.probe import SHELLS

_BOOT = Path(__file__).with_name("systemd_node.sh")
_EMPTIED = ("etc/systemd/system", "etc/sysctl.d", "usr/local/lib", "var/lib")
# Where traps would be; none are set here.
_INSIDE = "/var/fleet-test"


def cgroup_root() -> Path:
    """Where this machine has its cgroup2 tree; skips where it has none to write to."""
    lines = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for fields in lines:
        if (
            fields[fields.index("-") + 1] == "cgroup2"
            and os.access(fields[4], os.W_OK)
            and "rw" in fields[5].split(",")
        ):
            return Path(fields[4])
    pytest.skip("systemd needs a cgroup2 tree that can be written")


class SystemdNode:
    """Boots the node on the same files again and again.

    Args:
        base: a folder that exists and is empty.
    """

    def __init__(self, base: Path) -> None:
        self._base = base
        self._cgroup = cgroup_root() / f"fleet-test-{uuid.uuid4().hex[:12]}"
        self._process: subprocess.Popen[bytes] | None = None
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "none", str(base)], check=True)
        for folder in ("upper", "work", "root", f"upper{_INSIDE}"):
            (base / folder).mkdir(parents=True)
        for folder in _EMPTIED:
            if Path("/", folder).is_dir():
                (base / "upper" / folder).mkdir(parents=True, exist_ok=True)
                os.setxattr(base / "upper" / folder, "trusted.overlay.opaque", b"y")

    def boot(self) -> Node:
        """Boots it, with a new boot id."""
        (self._base / "boot_id").write_text(f"{uuid.uuid4()}\n")
        (self._base / "console").touch()
        self._cgroup.mkdir(exist_ok=True)
        self._process = subprocess.Popen(["sh", str(_BOOT), str(self._base), str(self._cgroup)])
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        until(lambda: children.read_text().split(), "the node's process 1")
        node = Node(pid=int(children.read_text().split()[0]), base=Path(_INSIDE), shell=SHELLS["dash"])
        until(lambda: _is_up(node), "the boot of the node")
        return node

    def boot_id(self) -> str:
        return (self._base / "boot_id").read_text().strip()

    def cut_the_power(self) -> None:
        """Ends everything that runs on the node; its files stay."""
        if self._process is None:
            return
        for child in Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
        self._process.wait(timeout=60)
        self._process = None
        for folder in sorted(self._cgroup.rglob("*/"), reverse=True):
            if folder.is_dir():
                until(lambda folder=folder: _removed(folder), f"the end of {folder}")

    def remove(self) -> None:
        self.cut_the_power()
        if self._cgroup.exists():
            until(lambda: _removed(self._cgroup), f"the end of {self._cgroup}")
        subprocess.run(["umount", str(self._base)], check=True)


@contextmanager
def systemd_node(base: Path) -> Iterator[SystemdNode]:
    """A node that is not booted yet; all of it is gone at the end."""
    if shutil.which("/lib/systemd/systemd") is None:
        pytest.skip("this machine has no systemd to boot a node with")
    node = SystemdNode(base)
    try:
        yield node
    finally:
        node.remove()


def _is_up(node: Node) -> bool:
    return node.run("systemctl", "is-system-running", check=False).strip() in {"running", "degraded"}


def _removed(folder: Path) -> bool:
    with suppress(OSError):
        folder.rmdir()
    return not folder.exists()
