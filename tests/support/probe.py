"""Runs the real probe: here as it is, or in namespaces dressed up as a node."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from fleet.facts import ProbeRequest, parse_answer, probe_arguments, probe_script
from fleet.model.facts import NodeFacts

NONCE = "00112233445566778899aabbccddeeff"
SHELLS: dict[str, tuple[str, ...]] = {"dash": ("dash",), "bash": ("bash",), "busybox": ("busybox", "sh")}
DATA = Path(__file__).parents[1] / "data" / "facts"
_NODE = ("unshare", "--mount", "--net", "--pid", "--uts", "--fork", "--mount-proc", "--kill-child", "sh")


def run_probe_locally(
    shell: str, keys: Sequence[str], *, files: Sequence[str] = (), script: bytes | None = None, path: str | None = None
) -> bytes:
    """What the probe prints under a shell of ``SHELLS`` on this machine; ``path`` goes first in its PATH."""
    arguments = probe_arguments(NONCE, ProbeRequest(keys=tuple(keys), files=tuple(files)))
    completed = subprocess.run(
        [*SHELLS[shell], "-s", "--", *arguments],
        input=probe_script() if script is None else script,
        capture_output=True,
        check=True,
        timeout=60,
        env={"PATH": f"{path}:/usr/sbin:/usr/bin:/sbin:/bin" if path else "/usr/bin:/bin"},
    )
    return completed.stdout


def run_in_node(command: Sequence[str], *, stdin: bytes = b"") -> bytes:
    """What a command prints in fresh namespaces that ``tests/data/facts/node.sh`` dressed up; needs root."""
    completed = subprocess.run(
        [*_NODE, str(DATA / "node.sh"), *command], input=stdin, capture_output=True, check=True, timeout=60
    )
    return completed.stdout


def captured(name: str) -> bytes:
    """An answer from tests/data/facts, such as ``dash-root``."""
    return (DATA / f"{name}.answer").read_bytes()


def captured_facts(name: str) -> NodeFacts:
    return parse_answer(captured(name), nonce=NONCE, host="node-1")
