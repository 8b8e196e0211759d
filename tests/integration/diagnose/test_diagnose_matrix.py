"""Each cause made for real, on this kernel, and named; and nothing else, and nothing where nothing is wrong."""

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import pytest
from support.diagnosed import KINDS

from fleet.model.errors import ProofError
from fleet.prove import prepare
from fleet.prove.bench import measure
from fleet.prove.inside.filling import MOST_ENTRIES
from fleet.prove.scenario import BUILD_ONLY

SEEDS = 10
# They mostly wait.
AT_ONCE = 4
TESTS = Path(__file__).parents[2]
NAMED = ("confirmed", "likely")
Job = tuple[str, int]
Answer = dict[str, dict[str, Any]]


def diagnosed(jobs: Iterable[Job], *, as_root: bool) -> dict[Job, Answer]:
    """The verdicts of each, several at a time, each worker in namespaces of its own."""
    waiting: SimpleQueue[Job] = SimpleQueue()
    for job in jobs:
        waiting.put(job)
    answers: dict[Job, Answer] = {}
    workers = [threading.Thread(target=_work, args=(waiting, answers, as_root)) for _ in range(AT_ONCE)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return answers


def _work(waiting: SimpleQueue[Job], answers: dict[Job, Answer], as_root: bool) -> None:  # noqa: FBT001 # a thread's
    user = () if as_root else ("--user", "--map-root-user")
    spaces = ("--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child")
    command = ["unshare", *user, *spaces, sys.executable, "-m", "support.diagnosed"]
    environment = os.environ | {"PYTHONPATH": f"{TESTS.parent}:{TESTS}"}
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        while True:
            try:
                job = waiting.get_nowait()
            except Empty:
                break
            process.stdin.write(json.dumps({"kind": job[0], "seed": job[1]}).encode() + b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
            if not line:
                break  # it said why on stderr; the missing answer fails the test
            answers[job] = json.loads(line)


def named(answer: Answer) -> list[str]:
    return [cause for cause, each in answer.items() if each["verdict"] in NAMED]


def check(kinds: Iterable[str], record: Callable[[str, object], None], *, as_root: bool) -> None:
    jobs = [(kind, seed) for kind in kinds for seed in range(SEEDS)]
    answers = diagnosed(jobs, as_root=as_root)
    rows = {
        kind: Counter(cause for job in jobs if job[0] == kind for cause in named(answers.get(job, {})))
        for kind in kinds
    }
    record("confusion matrix", matrix(rows))
    assert answers.keys() == set(jobs)
    for (kind, seed), answer in answers.items():
        expected = [KINDS[kind].cause] if KINDS[kind].cause else []
        assert named(answer) == expected, (kind, seed, answer)
        assert all(answer[cause]["evidence"] for cause in expected)
        if not expected:
            assert answer["unexplained"]["verdict"] == "excluded", (kind, seed, answer)


def matrix(rows: dict[str, Counter[str]]) -> str:
    causes = list(dict.fromkeys(kind.cause for kind in KINDS.values() if kind.cause))
    width = max(map(len, KINDS))
    head = " " * width + "  " + "  ".join(causes) + "  nothing"
    lines = [head]
    for kind, counts in rows.items():
        cells = [str(counts[cause] or ".").rjust(len(cause)) for cause in causes]
        nothing = "." if counts else str(SEEDS)
        lines.append("  ".join([kind.ljust(width), *cells, nothing.rjust(len("nothing"))]))
    return "\n".join(lines)


@pytest.fixture(params=["root", "user namespace"])
def as_root(request: pytest.FixtureRequest) -> bool:
    """True where it is done as root; a way that this machine does not have is skipped."""
    if request.param == "root":
        if os.geteuid() != 0:
            pytest.skip("needs root")
        return prepare()
    try:
        measure([BUILD_ONLY], as_root=False)
    except ProofError as error:
        pytest.skip(f"needs user namespaces: {error}")
    return False


def test_every_cause_is_named_and_the_healthy_are_not_blamed(
    *, as_root: bool, record_property: Callable[[str, object], None]
) -> None:
    check([kind for kind in KINDS if kind != "table full"], record_property, as_root=as_root)


@pytest.mark.root
def test_a_full_table_is_named(record_property: Callable[[str, object], None]) -> None:
    most = Path("/proc/sys/net/netfilter/nf_conntrack_max")
    prepare()
    if not most.exists() or int(most.read_text()) > MOST_ENTRIES:
        pytest.skip("to fill the table of this machine would take too much of its memory")
    check(["table full"], record_property, as_root=True)
