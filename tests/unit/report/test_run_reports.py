"""What an apply or a rollback came to, as people and programs read it."""

import json
from typing import Any

import jsonschema
import pytest
from support.golden import assert_golden
from support.hostile import TRICKS
from support.runs import FIN, RUN, host_run, run_of, sample_run

from fleet.model.rollout import BatchRun, GateResult, HostRun, RunError, RunResult
from fleet.report.run_json import run_json
from fleet.report.run_status import run_exit_code, run_worst_first
from fleet.report.run_terminal import render_run
from fleet.report.run_words import next_steps
from fleet.report.schema import schemas

STALE = RunError(kind="stale", message="it has moved")
FAILED = host_run("b", status="failed", node="before", error=STALE)


def text_of(result: RunResult, verbosity: int = 0, width: int | None = None) -> str:
    return render_run(result, verbosity=verbosity, width=width).plain


def test_a_run_reads_as_reviewed() -> None:
    assert_golden("report/run.txt", text_of(sample_run(), verbosity=1) + "\n")
    assert_golden("report/run.json", run_json(sample_run()))


def test_the_json_holds_to_its_schema() -> None:
    data = json.loads(run_json(sample_run()))
    jsonschema.Draft202012Validator(schemas()["apply"]).validate(data)
    assert sum(data["summary"].values()) == 2 * data["summary"]["hosts"]


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (run_of(host_run("a"), host_run("b", status="noop")), 0),
        (run_of(), 0),
        (run_of(host_run("a"), FAILED), 1),
        (run_of(host_run("a"), host_run("b", status="unreachable", node="unknown")), 1),
        (run_of(host_run("a"), host_run("b", status="undone", node="before")), 1),
        (run_of(host_run("a"), host_run("b", status="not-reached", node="before")), 1),
        (run_of(host_run("a"), status="running"), 1),
        (run_of(host_run("a", node="pending")), 1),
        (run_of(host_run("a"), status="stopped"), 4),
        (run_of(FAILED, status="undone"), 4),
        (run_of(host_run("a"), status="interrupted"), 130),
        (run_of(host_run("a", status="undone", node="before"), kind="rollback"), 0),
        (run_of(host_run("a"), kind="rollback"), 1),
    ],
)
def test_the_exit_code_says_how_the_run_ended(result: RunResult, code: int) -> None:
    assert run_exit_code(result) == code


def test_hosts_are_told_worst_first() -> None:
    names = [host.name for host in run_worst_first(sample_run())]
    assert names == ["web-08", "db-1", "web-06", "web-07", "web-03", "web-04", "web-05", "web-09", "web-01", "web-02"]


def test_a_failure_of_many_hosts_is_told_once_with_their_names() -> None:
    told = text_of(run_of(*(host_run(f"n-{number}", status="failed", error=STALE) for number in range(1, 201))))
    assert told.count("it has moved") == 1
    assert "n-{1..200}: stale: it has moved" in told


def test_each_change_is_told_on_demand_only() -> None:
    assert "Changes" not in text_of(sample_run())
    assert "sysctl net.ipv4.tcp_fin_timeout: noop: is 50 already" in text_of(sample_run(), verbosity=1)


@pytest.mark.parametrize(
    ("host", "words"),
    [
        (host_run("a"), "changed and confirmed"),
        (host_run("a", status="noop", node="before"), "is as planned already"),
        (host_run("a", status="failed", node="before", error=STALE), "stale: is as before"),
        (host_run("a", status="not-reached", node="before"), "was not touched"),
        (host_run("a", status="unreachable", node="unknown"), "could not be asked how it is now"),
        (
            host_run("a", status="failed", node="pending", undo_at="2026-11-20T12:17:05.250Z"),
            "changed, not confirmed: will undo itself at 12:17:05 UTC",
        ),
        (host_run("a", status="failed", node="pending"), "will undo itself"),
    ],
)
def test_the_state_of_a_node_is_in_plain_words(host: HostRun, words: str) -> None:
    assert words in text_of(run_of(host))


@pytest.mark.parametrize(
    ("host", "words"),
    [
        (host_run("a", status="undone", node="before"), f"✓ undone  a  is as before run {RUN}"),
        (host_run("a", status="noop", node="before"), "✓ noop  a  has nothing of the run"),
        (host_run("a", status="failed", node="after", error=STALE), "stale: is as the run left it"),
    ],
)
def test_in_a_rollback_the_state_before_is_the_success(host: HostRun, words: str) -> None:
    assert words in text_of(run_of(host, kind="rollback", plan_run=RUN))


@pytest.mark.parametrize(
    ("result", "steps"),
    [
        (run_of(host_run("a", status="noop", node="after")), []),
        (run_of(host_run("a")), [f"fleet rollback {RUN}"]),
        (run_of(FAILED), ["fleet plan play.yaml"]),
        (run_of(FAILED, playbook="a b.yaml"), ["fleet plan 'a b.yaml'"]),
        (run_of(FAILED, status="stopped"), ["fleet plan play.yaml"]),
        (
            run_of(host_run("a"), host_run("b", status="not-reached", node="before"), status="interrupted"),
            [f"fleet apply --resume {RUN}", f"fleet rollback {RUN}"],
        ),
        (run_of(host_run("a", status="unreachable", node="unknown")), [f"fleet apply --resume {RUN}"]),
        (
            run_of(
                host_run("a", status="failed", node="after", error=RunError(kind="moved", message="moved")),
                host_run("b", status="unreachable", node="unknown"),
                host_run("c", status="failed", node="after", error=RunError(kind="refused", message="unprotected")),
                kind="rollback",
                plan_run=RUN,
            ),
            [f"fleet rollback {RUN} -l b", f"fleet rollback {RUN} -l a,c --force"],
        ),
    ],
)
def test_what_to_do_next_is_a_command(result: RunResult, steps: list[str]) -> None:
    told = next_steps(result)
    assert len(told) == len(steps)
    for sentence, step in zip(told, steps, strict=True):
        assert sentence.endswith(step)


@pytest.mark.parametrize("trick", [*TRICKS, "a\nb", "\x1b[31m"])
def test_nothing_from_elsewhere_steers_the_terminal(trick: str) -> None:
    change: dict[str, Any] = {"reason": trick, "target": trick, "read_back": trick}
    host = host_run(
        trick,
        status="failed",
        error=RunError(kind=trick, message=trick),
        changes=(type(FIN)(kind=trick, status="failed", **change),),
        undo_at=trick,
        node="pending",
        notes=(trick,),
    )
    gate = GateResult(kind=trick, passed=False, detail=trick)
    batch = BatchRun(number=1, hosts=(trick,), gates=(gate,), decision=trick)
    result = run_of(host, batches=(batch,), stopped_by=trick, playbook=trick, run_id=trick, status="stopped")
    told = text_of(result, verbosity=1)
    assert all(line.isprintable() for line in told.split("\n"))
    plain = trick.isprintable()
    assert plain or trick not in told
    json.loads(run_json(result))
    assert run_json(result).isascii()


def test_a_narrow_terminal_loses_nothing() -> None:
    words = text_of(sample_run(), verbosity=1).split()
    narrow = text_of(sample_run(), verbosity=1, width=40)
    assert all(len(line) <= 40 for line in narrow.split("\n"))
    assert "".join(words) == "".join(narrow.split())
