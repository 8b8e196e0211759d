"""``fleet apply`` and ``fleet rollback`` on lab nodes: playbooks, what a node holds, and signals at a known moment."""

import json
import os
import pty
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
from support.cli import FLEET, fleet
from support.lab import ssh

from fleet import lab
from fleet.report.schema import schemas

DEADLINE = 120
FIN, KEEPALIVE = "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_time"
FILE = "/etc/sysctl.d/90-fleet.conf"
PLANNED = {"ipv4/tcp_fin_timeout": "47", "ipv4/tcp_keepalive_time": "611"}
"""Below /proc/sys/net, and the value."""

# Counters and lists of the kernel's own; no setting.
_NOT_SETTINGS = "nf_conntrack_count|tcp_available|tcp_fastopen_key|/stable_secret|route/flush|icmp_msgs"


def write_playbook(directory: Path, rollout: str = "", name: str = "play.yaml") -> Path:
    """A playbook that changes one file and two live values on every node."""
    path = directory / name
    path.write_text(
        "name: Apply on a lab\ncontrols:\n"
        f"  - {{id: fin, title: t, impact: low, why: w, setting: {{sysctl: {FIN}}}, expect: {{equals: 47}}, set: 47}}\n"
        f"  - {{id: alive, title: t, impact: low, why: w, setting: {{sysctl: {KEEPALIVE}}}, expect: {{equals: 611}},"
        f" set: 611}}\n{rollout}"
    )
    return path


def result_of(done: subprocess.CompletedProcess[str]) -> Any:  # noqa: ANN401 JSON
    """The JSON on stdout, held against its schema."""
    assert done.stdout, done.stderr
    data = json.loads(done.stdout)
    jsonschema.Draft202012Validator(schemas()["apply"]).validate(data)
    return data


def save_plan(built: lab.Lab, playbook: Path, cwd: Path, *more: str) -> Path:
    done = fleet("plan", playbook, "-i", built.inventory, "--out", "plan.json", "-o", os.devnull, *more, cwd=cwd)
    assert done.returncode == 3, done.stderr
    return cwd / "plan.json"


def settings_of(built: lab.Lab, node: str) -> dict[str, str]:
    """Everything below /proc/sys/net of a node that can be read, by path."""
    read = f"cd /proc/sys/net && grep -rs '' . | grep -vE '{_NOT_SETTINGS}'"
    lines = ssh(built, node, read).stdout.splitlines()
    assert len(lines) > 300
    found: dict[str, str] = {}
    for line in lines:
        path, _, value = line.removeprefix("./").partition(":")
        found[path] = found.get(path, "") + value + "\n"
    return found


def files_of(built: lab.Lab, node: str) -> str:
    """Names, kinds, modes, owners, links and hashes of what a node has below /etc and /var/lib, but for our records."""
    read = (
        "find /etc /usr/lib/sysctl.d /var/lib -xdev -path /var/lib/fleet -prune"
        " -o -printf '%p %y %m %u:%g %l\\n' | sort;"
        " find /etc /usr/lib/sysctl.d -xdev -type f -exec sha256sum {} + | sort -k 2"
    )
    told = ssh(built, node, read).stdout
    assert "/etc/passwd" in told
    return told


def leftovers_of(built: lab.Lab, node: str) -> str:
    """What fleet must not leave on a node: temporary files, hooks, processes, a pending run."""
    # What differs from the machine's own files is in the layers of the node; the rest is in memory.
    written = "".join(f"{path}\n" for path in (built.inventory.parent / "nodes" / node).rglob(".fleet-*"))
    read = (
        "find /run /tmp -xdev -name '.fleet-*' 2>/dev/null; ls -A /etc/local.d; ls /var/lib/fleet/pending 2>/dev/null;"
        " for each in /proc/[0-9]*; do tr '\\0' ' ' <$each/cmdline 2>/dev/null | grep -a '[u]ndo.sh'; done; true"
    )
    return written + ssh(built, node, read).stdout


def read(built: lab.Lab, node: str, key: str) -> str:
    return ssh(built, node, f"cat /proc/sys/{key.replace('.', '/')}").stdout.strip()


@contextmanager
def started(*arguments: str | Path, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """The real program, to which signals can be sent; killed at the end if it still runs."""
    with subprocess.Popen(
        [FLEET, *map(str, arguments)],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def journal_of(state_dir: Path) -> list[Mapping[str, Any]]:
    """The whole lines of the only journal there is, or none yet."""
    found = list(state_dir.glob("runs/*/journal.jsonl"))
    if not found:
        return []
    [journal] = found
    return [json.loads(line) for line in journal.read_text().splitlines(keepends=True) if line.endswith("\n")]


def wait_for_events(state_dir: Path, count: int, **fields: object) -> None:
    """Return once the journal has this many events with these fields."""
    deadline = time.monotonic() + DEADLINE
    while sum(fields.items() <= event.items() for event in journal_of(state_dir)) < count:
        assert time.monotonic() < deadline, f"not {count} events {fields} in {journal_of(state_dir)}"
        threading.Event().wait(0.02)


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, error = process.communicate(timeout=DEADLINE)
    return process.returncode, out, error


def interrupt(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)


def on_a_terminal(*arguments: str | Path, cwd: Path, answer: str) -> tuple[int, str, str]:
    """Run the program with stdin and stderr on a terminal of 200 columns, and stdout on a pipe.

    Returns:
        Exit code, stdout, and what the terminal showed.
    """
    ours, theirs = pty.openpty()
    shown: list[bytes] = []

    def collect() -> None:
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:
                return
            if not part:
                return
            shown.append(part)

    reader = threading.Thread(target=collect)
    try:
        with subprocess.Popen(
            [FLEET, *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, "COLUMNS": "200", "TERM": "xterm"},
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=theirs,
            start_new_session=True,
        ) as process:
            os.close(theirs)
            reader.start()
            os.write(ours, f"{answer}\n".encode())
            out, _ = process.communicate(timeout=DEADLINE)
        reader.join(DEADLINE)
    finally:
        os.close(ours)
    return process.returncode, out.decode(), b"".join(shown).decode()
