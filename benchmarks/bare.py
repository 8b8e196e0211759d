"""The same work by nothing but paramiko, with every trick: ``python -m benchmarks.bare TASK``.

Keys and known hosts are read once, only the fastest algorithms are offered, no agent is asked, each host has one
connection and one exec. Nothing is made of the answers.
"""

import json
import socket
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import paramiko

_SECONDS = 120.0
_PIECE = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One script to run on many hosts.

    Attributes:
        hosts: addresses by name.
        key: the file of an Ed25519 key that root accepts.
        known_hosts: one line a host: its address and its Ed25519 key.
        command: what the script is fed to.
        script: a file.
        answers: a folder for what each host prints.
        workers: hosts at once.
    """

    hosts: Mapping[str, str]
    key: str
    known_hosts: str
    command: str
    script: str
    answers: str
    workers: int

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> "Task":
        return cls(**json.loads(path.read_text()))


class _Transport(paramiko.Transport):
    _preferred_kex = ("curve25519-sha256@libssh.org",)
    _preferred_ciphers = ("aes128-gcm@openssh.com",)
    _preferred_keys = ("ssh-ed25519",)
    _preferred_pubkeys = ("ssh-ed25519",)


def run(task: Task) -> dict[str, bytes]:
    """Give what the script prints on each host.

    Raises:
        RuntimeError: it failed on one, or one has another key than the known one.
    """
    key = paramiko.Ed25519Key.from_private_key_file(task.key)
    lines = (line.split() for line in Path(task.known_hosts).read_text().splitlines())
    known = {address: blob for address, _, blob in lines}
    script = Path(task.script).read_bytes()

    def visit(address: str) -> bytes:
        with socket.create_connection((address, 22), timeout=_SECONDS) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            transport = _Transport(sock)
            try:
                transport.start_client(timeout=_SECONDS)
                if transport.get_remote_server_key().get_base64() != known[address]:
                    raise RuntimeError(f"{address} has another key")
                transport.auth_publickey("root", key)
                channel = transport.open_session()
                channel.exec_command(task.command)
                channel.sendall(script)
                channel.shutdown_write()
                pieces = list(iter(lambda: channel.recv(_PIECE), b""))
                if status := channel.recv_exit_status():
                    raise RuntimeError(f"the script ended with {status} on {address}")
                return b"".join(pieces)
            finally:
                transport.close()

    with ThreadPoolExecutor(task.workers) as pool:
        return dict(zip(task.hosts, pool.map(visit, task.hosts.values()), strict=True))


def main(path: str) -> None:
    """Run a task that was saved."""
    task = Task.load(Path(path))
    for name, answer in run(task).items():
        (Path(task.answers) / name).write_bytes(answer)


if __name__ == "__main__":
    main(sys.argv[1])
