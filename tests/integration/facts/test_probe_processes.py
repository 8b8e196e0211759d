"""Whose processes count as the node's own."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from support.probe import NONCE, SHELLS, run_probe_locally

from fleet.facts import parse_answer

pytestmark = pytest.mark.root


@contextmanager
def running(*command: str | Path) -> Iterator[int]:
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        process.stdin.write(b"x")
        process.stdin.flush()
        assert process.stdout
        process.stdout.read(1)  # by now it is what it is going to be
        try:
            yield process.pid
        finally:
            process.kill()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_writer_in_another_network_namespace_is_not_the_nodes_own(shell: str, tmp_path: Path) -> None:
    kube_proxy = tmp_path / "kube-proxy"
    shutil.copy("/bin/cat", kube_proxy)
    with ExitStack() as stack:
        ours = stack.enter_context(running(kube_proxy))
        others = stack.enter_context(running("unshare", "--net", kube_proxy))
        facts = parse_answer(run_probe_locally(shell, ["net.ipv4.ip_forward"]), nonce=NONCE, host="node")
    assert isinstance(facts.processes, tuple)
    pids = {process.pid for process in facts.processes}
    assert ours in pids
    assert others not in pids
