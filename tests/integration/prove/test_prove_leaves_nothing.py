"""Whatever happens to a proof, nothing of it is left, and this machine's own network is as it was."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import fleet.prove.bench as bench_module
from fleet.model.errors import ProofError
from fleet.prove import SCENARIOS, Node, Subject, prove, this_machine
from fleet.prove.bench import measure
from fleet.prove.scenario import BUILD_ONLY, cell_request

SHORT = cell_request(SCENARIOS["timeout-server-first"], "before", Node(), runs=2)
WITHIN = 30.0
# It would not come to its end by itself while a test waits.
LONG = SHORT | {"parameters": SHORT["parameters"] | {"silence": 20 * WITHIN}}
START = (
    "import json, sys; from fleet.prove.bench import measure;"
    " measure([json.loads(sys.argv[1])] * 3, as_root=sys.argv[2] == 'True')"
)


def of_the_machine() -> dict[str, str]:
    """Its network interfaces, its settings, and what is mounted for named namespaces."""
    keys = ("net/ipv4/ip_forward", "net/netfilter/nf_conntrack_tcp_be_liberal", "net/netfilter/nf_conntrack_max")
    # Labs of other tests come and go beside this one.
    links = (path.name for path in Path("/sys/class/net").iterdir() if not path.name.startswith("fleet"))
    mounts = (line for line in Path("/proc/self/mounts").read_text().splitlines() if line.startswith("nsfs "))
    seen = {"links": " ".join(sorted(links)), "mounts": "\n".join(mounts)}
    seen["names"] = " ".join(sorted(path.name for path in Path("/run/netns").glob("*")))
    for key in keys:
        with contextlib.suppress(OSError):
            seen[key] = Path("/proc/sys", key).read_text()
    return seen


def descendants(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found += [int(entry.name), *descendants(int(entry.name))]
    return found


def running(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path("/proc", str(pid)).exists()]


def until(met: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WITHIN
    while not met():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@pytest.fixture
def proving(*, as_root: bool) -> Iterator[subprocess.Popen[bytes]]:
    """A proof of three cells that goes on until it is ended."""
    with subprocess.Popen([sys.executable, "-c", START, json.dumps(LONG), str(as_root)]) as process:
        # For each cell unshare and the program, which is process 1 of its namespace.
        until(lambda: len(descendants(process.pid)) >= 6, "the cells did not start")
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_proof_that_is_killed_leaves_nothing(proving: subprocess.Popen[bytes], number: signal.Signals) -> None:
    before = of_the_machine()
    all_of_it = descendants(proving.pid)
    proving.send_signal(number)
    proving.wait()
    until(lambda: not running(all_of_it), "processes of the proof are left")
    assert of_the_machine() == before


def test_a_program_that_is_killed_is_told_and_leaves_nothing(*, as_root: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    started = subprocess.Popen
    children: list[int] = []

    def start(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:  # noqa: ANN401 as it is called
        process = started(*arguments, **options)
        children.append(process.pid)
        # All of it: a child that unshare has just made does not know yet that it should end with it.
        os.killpg(process.pid, signal.SIGKILL)
        return process

    monkeypatch.setattr(bench_module.subprocess, "Popen", start)
    with pytest.raises(ProofError, match="a program of the proof failed"):
        measure([LONG], as_root=as_root)
    assert not running(children)


def test_a_proof_changes_nothing_of_the_machine(*, as_root: bool) -> None:
    measure([BUILD_ONLY], as_root=as_root)
    before = of_the_machine()
    subject = Subject(
        node=Node(values={"net.netfilter.nf_conntrack_tcp_be_liberal": "1"}), values_from="", playbook="p"
    )
    assert prove(subject, [SCENARIOS["above-window"]], this_machine(as_root=as_root), runs=3).holds
    assert of_the_machine() == before


def test_the_programs_need_nothing_but_python(*, as_root: bool, tmp_path: Path) -> None:
    """So that the same files run on a node or in a pod."""
    source = Path(bench_module.__file__).with_name("inside")
    shutil.copytree(source, tmp_path / "inside", ignore=shutil.ignore_patterns("__pycache__"))
    request = cell_request(SCENARIOS["above-window"], "before", Node(), runs=2)
    user = [] if as_root else ["--user", "--map-root-user"]
    command = ["unshare", *user, "--net", "--pid", "--fork", "--kill-child", sys.executable, "-S", "-E", "-m", "inside"]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([request]).encode() + b"\n")
        process.stdin.flush()
        (answer,) = json.loads(process.stdout.readline())
        assert process.wait(WITHIN) == 0
    assert answer["outcomes"] == {"reset": 2}


def test_a_missing_tool_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, as_root: bool) -> None:
    for tool in ("unshare", "ip", "python3"):
        found = shutil.which(tool, path=bench_module.SEARCH_PATH)
        assert found is not None
        (tmp_path / tool).symlink_to(found)
    monkeypatch.setattr(bench_module, "SEARCH_PATH", str(tmp_path))
    with pytest.raises(ProofError, match="the proof cannot run here: nft is not installed"):
        measure([BUILD_ONLY], as_root=as_root)
