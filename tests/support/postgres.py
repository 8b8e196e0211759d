"""A PostgreSQL server of the tests' own: unprivileged, on loopback, gone at the end."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

PASSWORD = "s3cret/of:the@tests"
_DEADLINE = 60
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    # Nothing of it has to outlive the tests.
    "fsync": "off",
    "max_connections": "50",
}


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server; its user and its first database are called fleet."""

    port: int

    def url(self, database: str, password: str = PASSWORD) -> str:
        quoted = password.replace("/", "%2F").replace(":", "%3A").replace("@", "%40")
        return f"postgresql://fleet:{quoted}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "fleet") -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="fleet", password=PASSWORD, dbname=database, autocommit=True
        )

    def new_database(self, name: str) -> str:
        """Make an empty one, and give its URL."""
        with self.connect() as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.url(name)


def programs() -> Path | None:
    """Where the newest PostgreSQL of this machine has its programs; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("postgres")
    return Path(on_path).parent if on_path else None


@contextmanager
def running_postgres(where: Path) -> Iterator[Postgres]:
    """Start a server; PostgreSQL refuses to be root, so root lends it to nobody.

    Args:
        where: its programs.
    """
    user: Mapping[str, Any] = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
    # Not below pytest's own folder, which only its owner may enter.
    directory = Path(tempfile.mkdtemp(prefix="fleet-postgres-", dir="/tmp"))
    try:
        password = directory / "password"
        password.write_text(PASSWORD)
        if user:
            for path in (directory, password):
                shutil.chown(path, "nobody", "nogroup")
        data, port = directory / "data", _free_port()
        initdb = [where / "initdb", "-D", data, "-U", "fleet", "-A", "scram-sha-256", f"--pwfile={password}", "-N"]
        subprocess.run(initdb, check=True, capture_output=True, timeout=_DEADLINE, cwd=directory, **user)
        words = [f"-c{name}={value}" for name, value in {**_SETTINGS, "port": str(port)}.items()]
        with (directory / "log").open("wb") as log:
            process = subprocess.Popen(
                [where / "postgres", "-D", data, *words], stdout=log, stderr=log, cwd=directory, **user
            )
        try:
            server = Postgres(port)
            _wait(server, process, directory / "log")
            with psycopg.connect(
                host="127.0.0.1", port=port, user="fleet", password=PASSWORD, dbname="postgres", autocommit=True
            ) as connection:
                connection.execute("CREATE DATABASE fleet")
            yield server
        finally:
            process.terminate()
            try:
                process.wait(_DEADLINE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    finally:
        shutil.rmtree(directory)


def _wait(server: Postgres, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _DEADLINE
    while True:
        try:
            server.connect("postgres").close()
        except psycopg.OperationalError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        else:
            return


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
