"""Runs the checker of on-node mode: here over files that stand for /proc/sys, or over a connection to a node."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
from support.plans import HOST, TODAY
from support.probe import SHELLS

from fleet.facts.request import key_path
from fleet.model.facts import NodeFacts
from fleet.plan.checker import Checks, checker_script, compile_checks
from fleet.plan.checker.text import data_text
from fleet.policy import HostView, Policy
from fleet.report.schema import schemas
from fleet.transport import Command, Connection

# Each shell with another awk, which busybox brings along too.
_AWKS = {"dash": "mawk", "bash": "gawk", "busybox": "busybox"}
LEFT = frozenset({"unknown", "unjudged"})
"""What the checker says where it leaves the verdict to the controller."""


def compiled(policy: Policy, facts: NodeFacts, host: HostView = HOST) -> Checks:
    return compile_checks(policy, facts, host=host, today=TODAY)


def compared_alone(checks: Checks) -> Checks:
    """The same, resting on nothing of the machine that runs the test."""
    return replace(checks, checks=tuple(replace(each, rests=()) for each in checks.checks), files={})


def run_here(  # noqa: PLR0913 what stands around a checker
    folder: Path, shell: str, policy: Policy, checks: Checks, *, facts: NodeFacts, textfile_dir: Path | None = None
) -> Any:  # noqa: ANN401 JSON
    """What the checker says of values that are written to files below a folder.

    Args:
        facts: whose sysctl keys are written; others are not there.
    """
    values = folder / "sys"
    for key, sysctl in facts.sysctls.items():
        path = values / key_path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(sysctl.value, str):
            path.write_text(sysctl.value.replace(" ", "\t") + "\n")
    return run_on(folder, shell, data_text(checks, policy, textfile_dir=_named(textfile_dir)), sys=f"{values}/")[0]


def run_on(folder: Path, shell: str, data: bytes, *, sys: str = "/proc/sys/") -> tuple[Any, str]:
    """What the checker says with this data: its status, and its line."""
    (folder / "check.data").write_bytes(data)
    (folder / "bin").mkdir(exist_ok=True)
    awk = folder / "bin" / "awk"
    if not awk.exists():
        awk.symlink_to(shutil.which(_AWKS[shell]) or "/usr/bin/awk")
    script = checker_script().replace(b"/etc/fleet/check.data", bytes(folder / "check.data"))
    done = subprocess.run(
        [*SHELLS[shell], "-s"],
        input=script.replace(b'"/proc/sys/"', f'"{sys}"'.encode()),
        capture_output=True,
        check=False,
        env={"STATE_DIRECTORY": str(folder / "state"), "PATH": f"{folder}/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b""), done
    return json.loads((folder / "state" / "status.json").read_bytes()), done.stdout.decode()


def install(connection: Connection, data: bytes) -> None:
    """Leaves data on a node as an apply does."""
    command = "mkdir -p /etc/fleet && cat >/etc/fleet/check.data"
    assert connection.run(Command(arguments=("sh", "-c", command), stdin=data)).exit_status == 0


def run_over(connection: Connection, shell: str) -> Any:  # noqa: ANN401 JSON
    """What the checker says on a node."""
    words = ("env", "STATE_DIRECTORY=/run/fleet-check", *SHELLS[shell], "-s")
    done = connection.run(Command(arguments=words, stdin=checker_script()))
    assert (done.exit_status, done.stderr) == (0, b""), done
    return json.loads(connection.run(Command(arguments=("cat", "/run/fleet-check/status.json"))).stdout)


def statuses(status: Any) -> dict[str, str]:  # noqa: ANN401 JSON
    """Each control's, of a status that is as its schema says."""
    jsonschema.Draft202012Validator(schemas()["check"]).validate(status)
    return {control: each["status"] for control, each in status["controls"].items()}


def _named(path: Path | None) -> str | None:
    return None if path is None else str(path)
