"""The real systemd-sysctl and the real ``sysctl``, on a tree of files of our own, in namespaces of their own.

One worker process lives for a whole test: it has a private root, mount, network, IPC and UTS namespace, in which
nothing but /proc/sys/net can be written, and nothing of that belongs to this machine. A case costs one fork and exec.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

SYSTEMD = "/usr/lib/systemd/systemd-sysctl"
PROCPS = shutil.which("sysctl", path="/usr/sbin:/sbin:/usr/bin:/bin") or "/usr/sbin/sysctl"

BUSYBOX = shutil.which("busybox", path="/usr/bin:/bin") or "/usr/bin/busybox"

COMMANDS = {
    "systemd": (SYSTEMD,),
    "procps": (PROCPS, "--system"),
    "busybox": (BUSYBOX, "sysctl", "-p", "/etc/sysctl.conf"),
}

INTERFACE = "d.1"
"""A second interface, with a dot in its name."""

KEYS = (
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_tw_reuse",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_forward",
    "net.ipv4.conf.all.forwarding",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv4.conf.default.rp_filter",
    "net.ipv4.conf.lo.rp_filter",
    "net.ipv4.conf.d/1.rp_filter",
    "net.core.somaxconn",
    "net.netfilter.nf_conntrack_tcp_be_liberal",
    "net.netfilter.nf_conntrack_tcp_timeout_established",
    "net.netfilter.nf_conntrack_tcp_timeout_close_wait",
)
"""Keys of a network namespace that the cases set, in dots."""

_DIRECTORIES = ("etc/sysctl.d", "run/sysctl.d", "usr/local/lib/sysctl.d", "usr/lib/sysctl.d")
_UNPRIVILEGED = "/proc/sys/net/ipv4/ip_unprivileged_port_start"


class Oracle:
    """The worker, from the side of the test."""

    def __init__(self, root: Path) -> None:
        namespaces = ("--mount", "--net", "--ipc", "--uts", "--propagation", "private", "--kill-child", "--fork")
        self._process = subprocess.Popen(
            ["unshare", *namespaces, sys.executable, "-I", __file__, str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            self.defaults: dict[str, str] = self._answer()["values"]
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(timeout=20)
        self._process.stdout.close()

    def apply(self, tool: str, tree: Iterable[Mapping[str, str]]) -> dict[str, Any]:
        """Run a tool on a tree.

        Args:
            tool: a key of ``COMMANDS``.
            tree: entries with ``path``, ``kind`` (file, link, directory) and ``content`` or ``link``, bytes as latin-1.

        Returns:
            ``values`` by key, ``files`` as they are on disk (``content`` is None where there is none to read),
            ``status`` and ``errors`` of the tool.
        """
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"tool": tool, "tree": list(tree)}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def write(self, key: str, values: Iterable[str]) -> list[str | None]:
        """What the kernel prints after each value, written with a line break to a key at its default.

        Args:
            key: in dots.
            values: bytes as latin-1.

        Returns:
            None for a value that the kernel refuses.
        """
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"key": key, "values": list(values)}) + "\n")
        self._process.stdin.flush()
        printed: list[str | None] = self._answer()["printed"]
        return printed

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the oracle's worker ended with status {self._process.wait(timeout=20)}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def _build_root(root: str) -> None:
    _run("mount", "-t", "tmpfs", "none", root)
    for directory in ("usr", "proc", "dev", "etc", "run", "opt", "tmp"):
        (Path(root) / directory).mkdir()
    _run("mount", "--rbind", "-o", "ro", "/usr", f"{root}/usr")
    for name in ("bin", "sbin", "lib", "lib32", "lib64"):
        host = Path("/") / name
        if host.is_symlink():
            (Path(root) / name).symlink_to(host.readlink())
        elif host.is_dir():
            (Path(root) / name).mkdir()
            _run("mount", "--rbind", str(host), f"{root}/{name}")
    _run("mount", "-t", "tmpfs", "none", f"{root}/usr/lib/sysctl.d")
    _run("mount", "-t", "tmpfs", "none", f"{root}/usr/local/lib")
    (Path(root) / "dev/null").touch()
    _run("mount", "--bind", "/dev/null", f"{root}/dev/null")
    _run("mount", "--bind", "/proc", f"{root}/proc")
    # Whatever a case makes of its keys: nothing but the settings of this network namespace can be written.
    _run("mount", "--bind", "/proc/sys", f"{root}/proc/sys")
    _run("mount", "-o", "remount,bind,ro", f"{root}/proc/sys")
    _run("mount", "--bind", "/proc/sys/net", f"{root}/proc/sys/net")


def _path(key: str) -> str:
    return "/proc/sys/" + key.translate(str.maketrans("./", "/."))


def _read(paths: Mapping[str, str]) -> dict[str, str]:
    return {key: " ".join(Path(path).read_text().split()) for key, path in paths.items()}


def _write(path: str, value: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, f"{value}\n".encode("latin-1"))
    finally:
        os.close(descriptor)


def _written(path: str, values: list[str]) -> list[str | None]:
    default = Path(path).read_text().strip()
    printed: list[str | None] = []
    for value in values:
        try:
            _write(path, value)
            printed.append(" ".join(Path(path).read_text().split()))
        except OSError:
            printed.append(None)
        _write(path, default)
    return printed


def _clear() -> None:
    for directory in ("/etc", "/opt", "/run", "/usr/local/lib", "/usr/lib/sysctl.d"):
        for entry in os.scandir(directory):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                Path(entry.path).unlink()
    for directory in _DIRECTORIES:
        Path("/", directory).mkdir(exist_ok=True)


def _place(tree: list[dict[str, str]]) -> None:
    for entry in tree:
        path = Path(entry["path"])
        if entry["kind"] == "directory":
            path.mkdir()
        elif entry["kind"] == "link":
            path.symlink_to(entry["link"])
        else:
            path.write_bytes(entry["content"].encode("latin-1"))


def _collect(tree: list[dict[str, str]]) -> list[dict[str, str | None]]:
    found: list[dict[str, str | None]] = []
    for entry in tree:
        path = Path(entry["path"])
        content = path.read_bytes().decode("latin-1") if path.is_file() else None
        found.append({"path": entry["path"], "kind": entry["kind"], "link": entry.get("link"), "content": content})
    return found


def _execute(command: tuple[str, ...]) -> tuple[int, str]:
    environment = {"SYSTEMD_LOG_TARGET": "console", "SYSTEMD_LOG_LEVEL": "info", "LC_ALL": "C"}
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, "/tmp/errors", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),  # noqa: S108 (its own root)
    ]
    pid = os.posix_spawn(command[0], command, environment, file_actions=actions)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), Path("/tmp/errors").read_text(errors="backslashreplace")  # noqa: S108


def _serve(root: str) -> None:
    _run("ip", "link", "add", INTERFACE, "type", "veth", "peer", "name", "d.2")
    _build_root(root)
    os.chroot(root)
    os.chdir("/")
    paths = {key: _path(key) for key in KEYS}
    defaults = _read(paths)
    sys.stdout.write(json.dumps({"values": defaults}) + "\n")
    sys.stdout.flush()
    values = defaults
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, Any]
        if "key" in request:
            answer = {"printed": _written(_path(request["key"]), request["values"])}
        else:
            answer = _case(request, paths, defaults, values)
            values = answer["values"]
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _case(
    request: dict[str, Any], paths: dict[str, str], defaults: dict[str, str], values: dict[str, str]
) -> dict[str, Any]:
    _clear()
    _write(_UNPRIVILEGED, "0")  # so that the range of ports can go back, wherever it is
    for key, value in defaults.items():
        if values[key] != value or paths[key] == _UNPRIVILEGED:
            _write(paths[key], value)
    _place(request["tree"])
    files = _collect(request["tree"])
    status, errors = _execute(COMMANDS[request["tool"]])
    return {"values": _read(paths), "files": files, "status": status, "errors": errors}


if __name__ == "__main__":
    _serve(sys.argv[1])
