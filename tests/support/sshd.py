"""Real OpenSSH servers on loopback, each with its own configuration, host keys and log.

As root each server lives in a mount and a PID namespace of its own, with a private /etc and /run, so that users,
sudoers and /run/sshd are made for it, nothing on the machine changes, and nothing it started outlives it. Without
root it serves the user who runs the tests.
"""

import getpass
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleet.model.connection import Endpoint, TimeLimits

SSHD = "/usr/sbin/sshd"
NODE_SCRIPT = Path(__file__).with_name("sshd_node.sh")
LIMITS = TimeLimits(connect=5, auth=10, command=10, keepalive=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sshd:
    """A running server.

    Attributes:
        client_key: a private key it accepts for every user.
        known_hosts: has its host keys.
    """

    pid: int
    address: str
    port: int
    directory: Path
    host_keys: tuple[Path, ...]
    client_key: Path
    known_hosts: Path
    log: Path

    def endpoint(self, **changes: object) -> Endpoint:
        """What an inventory would say about it, independent of the ~/.ssh of whoever runs the tests."""
        said: dict[str, Any] = {
            "name": "node1",
            "address": self.address,
            "port": self.port,
            "user": getpass.getuser(),
            "identity_files": (str(self.client_key),),
            "use_agent": False,
            "ssh_config": "none",
            "known_hosts": (str(self.known_hosts),),
            "limits": LIMITS,
        }
        return Endpoint(**(said | changes))

    def inventory(self, folder: Path, hosts: Mapping[str, Mapping[str, object]]) -> None:
        """Write an inventory of hosts that are all this server, and reached by what is named there alone."""
        (folder / "inventory").mkdir()
        (folder / "ssh_config").touch()
        extras = {
            "identity_files": [str(self.client_key)],
            "use_agent": False,
            "ssh_config": str(folder / "ssh_config"),
            "known_hosts": [str(self.known_hosts)],
        }
        defaults = {
            "port": self.port,
            "username": getpass.getuser(),
            "connection_options": {"fleet": {"extras": extras}},
        }
        addressed = {name: {"hostname": self.address, **more} for name, more in hosts.items()}
        (folder / "inventory" / "defaults.yaml").write_text(json.dumps(defaults))
        (folder / "inventory" / "hosts.yaml").write_text(json.dumps(addressed))

    def count(self, pattern: str) -> int:
        """Count lines of the server's log."""
        return len(re.findall(pattern, self.log.read_text(errors="replace"), re.MULTILINE))

    def sessions(self) -> list[int]:
        """List the processes that serve connections and what they run, those of sshd before their commands."""
        return _descendants(self.pid)[1:]


def free_port(address: str = "127.0.0.1") -> int:
    """Find a TCP port nobody listens on."""
    with socket.socket() as sock:
        sock.bind((address, 0))
        port: int = sock.getsockname()[1]
        return port


def make_key(path: Path, *, kind: str = "ed25519", passphrase: str = "") -> Path:
    """Make a private key and the public one beside it."""
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", path.name, "-f", str(path)], check=True)
    return path


def known_line(address: str, port: int, public_key: Path) -> str:
    """Write a line of known_hosts."""
    key_type, blob = public_key.read_text().split()[:2]
    return f"[{address}]:{port} {key_type} {blob}\n"


@contextmanager
def start_sshd(  # noqa: PLR0913 each is one thing a test varies
    directory: Path,
    *,
    address: str = "127.0.0.1",
    host_key_kinds: Sequence[str] = ("ed25519",),
    client_key: Path | None = None,
    options: Mapping[str, str] | None = None,
    etc: Mapping[str, str] | None = None,
    users: Mapping[str, str] | None = None,
) -> Iterator[Sshd]:
    """Start a server and end it with everything it started.

    Args:
        directory: for its files.
        address: of loopback, to listen on.
        host_key_kinds: as ``ssh-keygen -t`` calls them.
        client_key: a private key to accept; None makes one.
        options: further lines of sshd_config; they win over those written here.
        etc: files below /etc by relative path, such as ``sudoers`` (root only).
        users: passwords by user name, made on the server only (root only).
    """
    directory.mkdir(parents=True, exist_ok=True)
    port = free_port(address)
    host_keys = tuple(make_key(directory / f"host_{kind}", kind=kind) for kind in host_key_kinds)
    client_key = client_key or make_key(directory / "client")
    log = directory / "sshd.log"
    log.touch()
    known_hosts = directory / "known_hosts"
    known_hosts.write_text("".join(known_line(address, port, Path(f"{key}.pub")) for key in host_keys))
    public = Path(f"{client_key}.pub")
    (directory / "authorized_keys").write_text(public.read_text())
    root = os.geteuid() == 0
    authorized = "/etc/fleet-test/authorized_keys" if root else directory / "authorized_keys"
    lines = {
        "ListenAddress": f"{address}:{port}",
        "AuthorizedKeysFile": str(authorized),
        "PidFile": "none",
        "LogLevel": "VERBOSE",
        "StrictModes": "no",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "UseDNS": "no",
        "MaxStartups": "200",
        "LoginGraceTime": "60",
    } | dict(options or {})
    config = directory / "sshd_config"
    config.write_text(
        "".join(f"HostKey {key}\n" for key in host_keys) + "".join(f"{name} {value}\n" for name, value in lines.items())
    )
    for name, text in (etc or {}).items():
        (directory / "etc" / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / "etc" / name).write_text(text)
    (directory / "passwords").write_text("".join(f"{name}:{word}\n" for name, word in (users or {}).items()))
    command = [SSHD, "-D", "-E", str(log), "-f", str(config)]
    if root:
        apart = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"]
        command = [*apart, "sh", str(NODE_SCRIPT), str(directory), *command]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        _wait_until_it_listens(process, address, port, log)
        yield Sshd(
            pid=_children(process.pid)[0] if root else process.pid,
            address=address,
            port=port,
            directory=directory,
            host_keys=host_keys,
            client_key=client_key,
            known_hosts=known_hosts,
            log=log,
        )
    finally:
        _end(process)


def _wait_until_it_listens(process: "subprocess.Popen[bytes]", address: str, port: int, log: Path) -> None:
    """Ask the log, not the port: a connection would count as one of the test's."""
    deadline = time.monotonic() + 10
    while f"Server listening on {address} port {port}" not in log.read_text(errors="replace"):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"sshd does not start: {log.read_text(errors='replace')}")
        time.sleep(0.01)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the server, and its sessions, which are in sessions of their own."""
    for pid in _descendants(process.pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait(10)


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _descendants(pid: int) -> list[int]:
    return [pid, *(below for child in _children(pid) for below in _descendants(child))]
