"""The whole matrix, measured as root and by a user without any right, in the background of other tests.

Each is a process of its own, so that what tests replace in theirs does not reach it: ``python proving.py root`` prints
the proof as JSON.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from itertools import zip_longest
from secrets import token_hex
from typing import Any

from fleet.kernel.invalid import BE_LIBERAL
from fleet.model.errors import ProofError
from fleet.model.proof import Proof
from fleet.prove import SCENARIOS, Answer, Node, Place, Subject, prepare, prove, this_machine
from fleet.prove.answer import read_answers
from fleet.prove.node import command_words, programs_and_requests
from fleet.report.loading import loaded_proof
from fleet.report.prove_json import ProofJson, proof_json

RUNS = 20
HARDENED = Node(hardened={BE_LIBERAL: "1"}, hardened_pods={"net.ipv4.tcp_tw_reuse": "1"})
ROOT, USER = "root", "user"
_WITHIN = 500.0
_PROCESSES = 8


class Proofs:
    """Both proofs, from now on until they are asked for.

    Attributes:
        missing: why a way is not to be had here.
    """

    def __init__(self) -> None:
        self.missing = {way: why for way, why in ((ROOT, _no_root()), (USER, _no_user_namespaces())) if why}
        self._processes = {
            way: subprocess.Popen([sys.executable, __file__, way], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for way in (ROOT, USER)
            if way not in self.missing
        }
        self.proof = cache(self._proof)

    def _proof(self, way: str) -> Proof:
        """Every scenario under every fix."""
        said, complained = self._processes[way].communicate(timeout=_WITHIN)
        assert self._processes[way].returncode == 0, complained.decode()
        return loaded_proof(ProofJson.model_validate_json(said))

    def close(self) -> None:
        for process in self._processes.values():
            # All that it has started ends with it.
            process.kill()
            process.communicate()


def _measure_as_user(requests: Sequence[Mapping[str, Any]]) -> list[Answer]:
    with ThreadPoolExecutor(_PROCESSES) as pool:
        parts = pool.map(_measure_at_once, (requests[first::_PROCESSES] for first in range(_PROCESSES)))
        answers = [*zip_longest(*parts)]
    return [answer for several in answers for answer in several if answer is not None]


def _measure_at_once(requests: Sequence[Mapping[str, Any]]) -> list[Answer]:
    """As a node does it, but in a user namespace; so nobody needs to read our files."""
    words = [*command_words(token_hex(8), _WITHIN)]
    words.insert(words.index("unshare") + 1, "--map-root-user")
    with subprocess.Popen(
        [*_nobody(), *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        with suppress(BrokenPipeError):
            process.stdin.write(programs_and_requests(requests))
            process.stdin.flush()
        said = process.stdout.readline().partition(b" ")[2]
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


def main(way: str) -> None:
    as_root = way == ROOT
    place = this_machine(as_root=prepare()) if as_root else Place(measure=_measure_as_user, as_root=False)
    subject = Subject(node=HARDENED, values_from="", playbook="test")
    sys.stdout.write(proof_json(prove(subject, [*SCENARIOS.values()], place, runs=RUNS)))


if __name__ == "__main__":
    main(sys.argv[1])
