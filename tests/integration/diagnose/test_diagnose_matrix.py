"""Each cause made for real, on this kernel, and named; and nothing else, and nothing where nothing is wrong."""

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest
from support.diagnosed import KINDS, SEEDS, SLOW, Kind, Told

from fleet.model.errors import ProofError
from fleet.prove import prepare
from fleet.prove.bench import measure
from fleet.prove.inside.filling import MOST_ENTRIES
from fleet.prove.scenario import BUILD_ONLY

# They mostly wait.
AT_ONCE = 10
FEW = 3
FULL = "table full"
TESTS = Path(__file__).parents[2]
NAMED = ("confirmed", "likely")
EXPECTED: Mapping[str, Callable[[Kind], str]] = {
    "readings": lambda kind: kind.cause,
    "capture": lambda kind: kind.in_capture,
    "late capture": lambda kind: kind.in_capture,
    "log": lambda kind: kind.in_log,
}
Job = tuple[str, int]


def diagnosed(jobs: Iterable[Job], *, as_root: bool) -> dict[Job, Told]:
    """The verdicts of each, several at a time, each worker in namespaces of its own."""
    waiting: SimpleQueue[Job] = SimpleQueue()
    for job in jobs:
        waiting.put(job)
    answers: dict[Job, Told] = {}
    workers = [threading.Thread(target=_work, args=(waiting, answers, as_root)) for _ in range(AT_ONCE)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return answers


def _work(waiting: SimpleQueue[Job], answers: dict[Job, Told], as_root: bool) -> None:  # noqa: FBT001 # a thread's
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
            answers |= {(job[0], job[1] + number): told for number, told in enumerate(json.loads(line))}


def named(verdicts: Mapping[str, Mapping[str, object]]) -> list[str]:
    return [cause for cause, each in verdicts.items() if each["verdict"] in NAMED]


def check(kinds: Iterable[str], record: Callable[[str, object], None], *, as_root: bool, seeds: int = SEEDS) -> None:
    # Those that wait begin first, so that the others fill the time.
    runs = [(kind, seed) for kind in sorted(kinds, key=lambda kind: kind not in SLOW) for seed in range(seeds)]
    # A table is filled once, for all runs.
    answers = diagnosed([run for run in runs if run[0] != FULL or not run[1]], as_root=as_root)
    for source, expected in EXPECTED.items():
        rows = {
            kind: Counter(
                cause for seed in range(seeds) for cause in named(answers.get((kind, seed), {}).get(source, {}))
            )
            for kind in kinds
            if source != "log" or KINDS[kind].in_log
        }
        if rows:
            record("confusion matrix", f"by {source}\n{matrix(rows, seeds)}")
        assert answers.keys() == set(runs)
        for (kind, seed), answer in answers.items():
            causes = [expected(KINDS[kind])] if expected(KINDS[kind]) else []
            found = named(answer[source])
            # Who joins late may see too little, and then blames nothing.
            assert found == causes or (source == "late capture" and not found), (kind, seed, source, answer)
            assert all(answer[source][cause]["evidence"] for cause in found)
            if source == "readings" and not causes:
                assert answer[source]["unexplained"]["verdict"] == "excluded", (kind, seed, answer)


def matrix(rows: Mapping[str, Counter[str]], seeds: int) -> str:
    causes = list(dict.fromkeys(cause for counts in rows.values() for cause in counts))
    width = max(map(len, rows))
    lines = [" " * width + "  " + "  ".join([*causes, "nothing"])]
    for kind, counts in rows.items():
        cells = [str(counts[cause] or ".").rjust(len(cause)) for cause in causes]
        nothing = str(max(0, seeds - counts.total()) or ".")
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
    # Where root has done them all, a few more show that it takes no root.
    seeds = SEEDS if as_root or os.geteuid() != 0 else FEW
    check([kind for kind in KINDS if kind != FULL], record_property, as_root=as_root, seeds=seeds)


@pytest.mark.root
def test_a_full_table_is_named(record_property: Callable[[str, object], None]) -> None:
    most = Path("/proc/sys/net/netfilter/nf_conntrack_max")
    prepare()
    if not most.exists() or int(most.read_text()) > MOST_ENTRIES:
        pytest.skip("to fill the table of this machine would take too much of its memory")
    check([FULL], record_property, as_root=True)
