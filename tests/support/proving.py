"""The whole matrix, measured as root and by a user without any right, in the background of other tests."""

import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import zip_longest
from secrets import token_hex
from typing import Any

from fleet.kernel.invalid import BE_LIBERAL
from fleet.model.errors import ProofError
from fleet.model.proof import Proof
from fleet.prove import SCENARIOS, Answer, Node, Place, Subject, prepare, prove, this_machine
from fleet.prove.answer import read_answers
from fleet.prove.node import command_words, programs_and_requests

RUNS = 20
HARDENED = Node(hardened={BE_LIBERAL: "1"}, hardened_pods={"net.ipv4.tcp_tw_reuse": "1"})
ROOT, USER = "root", "a user without rights"
_LONGEST = 400.0
_PROCESSES = 8


class Proofs:
    """Both proofs, from now on until they are asked for.

    Attributes:
        missing: why a way is not to be had here.
    """

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._proofs: dict[str, Future[Proof]] = {}
        self.missing = {}
        for name, way, missing in ((ROOT, self._as_root, _no_root()), (USER, self._as_user, _no_user_namespaces())):
            if missing:
                self.missing[name] = missing
            else:
                self._proofs[name] = self._pool.submit(lambda way=way: _proof(way()))

    def proof(self, way: str) -> Proof:
        """Every scenario under every fix."""
        return self._proofs[way].result()

    def close(self) -> None:
        self._stop.set()
        for process in self._processes:
            assert process.stdin is not None
            # With which the programs end.
            process.stdin.close()
        self._pool.shutdown()

    def _as_root(self) -> Place:
        return this_machine(as_root=prepare(), stop=self._stop.is_set)

    def _as_user(self) -> Place:
        return Place(measure=self._measure_as_user, as_root=False)

    def _measure_as_user(self, requests: Sequence[Mapping[str, Any]]) -> list[Answer]:
        with ThreadPoolExecutor(_PROCESSES) as pool:
            parts = pool.map(self._measure_at_once, (requests[first::_PROCESSES] for first in range(_PROCESSES)))
            answers = [*zip_longest(*parts)]
        return [answer for several in answers for answer in several if answer is not None]

    def _measure_at_once(self, requests: Sequence[Mapping[str, Any]]) -> list[Answer]:
        """As a node does it, but in a user namespace; so nobody needs to read our files."""
        words = [*command_words(token_hex(8), _LONGEST)]
        words.insert(words.index("unshare") + 1, "--map-root-user")
        process = subprocess.Popen(
            [*_nobody(), *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._processes.append(process)
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        with process:
            with suppress(BrokenPipeError):
                process.stdin.write(programs_and_requests(requests))
                process.stdin.flush()
            said = process.stdout.readline().partition(b" ")[2]
            process.wait()
            if not said:
                raise ProofError(process.stderr.read().decode(errors="replace"))
        answers = read_answers(said, requests)
        for answer in answers:
            if answer.error:
                raise ProofError(answer.error)
        return answers


def _nobody() -> tuple[str, ...]:
    return ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups") if os.geteuid() == 0 else ()


def _no_root() -> str:
    return "needs root" if os.geteuid() else ""


def _no_user_namespaces() -> str:
    command = [*_nobody(), "unshare", "--map-root-user", "--net", "true"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"needs user namespaces: {done.stderr}" if done.returncode else ""


def _proof(place: Place) -> Proof:
    return prove(Subject(node=HARDENED, values_from="", playbook="test"), [*SCENARIOS.values()], place, runs=RUNS)
