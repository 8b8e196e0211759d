"""What the last confirmed run has left, and what became of it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from support.drift import FIN, START, Checks, begin, checks_in, facts, items, live, told
from support.plans import applied
from support.plans import plan_of as plan_with
from support.runs import host_run, run_of

from fleet.drift.confirmed import confirmed_hosts
from fleet.model.drift import Confirmed
from fleet.model.facts import NodeFile
from fleet.model.history import HistoryEnd, HistoryHost
from fleet.model.rollout import ChangeResult
from fleet.plan import Change, NodePlan, Preconditions
from fleet.report.drift_status import drift_exit_code
from fleet.runner.audit import iso

FILE = "/etc/sysctl.d/90-fleet.conf"
SOMAXCONN = "net.core.somaxconn"
TEXT = f"{SOMAXCONN} = 8192\n{FIN} = 30\n"
CHANGES = (
    Change(kind="file", target=FILE, before=None, after=TEXT, diff="", reason="r", mode=0o644, controls=("c",)),
    Change(
        kind="file", target="/etc/sysctl.d/99-old.conf", before="x", after=None, diff="", reason="r", controls=("c",)
    ),
    Change(kind="sysctl", target=SOMAXCONN, before="128", after="8192", diff="", reason="r", controls=("c",)),
    Change(kind="sysctl", target=FIN, before="60", after="30", diff="", reason="r", controls=("c",)),
)
PLAN = NodePlan(
    changes=CHANGES,
    kept=(),
    refused=(),
    remedies=(),
    risks=(),
    preconditions=Preconditions(boot_id=None, files={}, live={}, writers=(), protected=()),
    next_boot={FIN: "30", SOMAXCONN: "8192"},
)
RESULTS = tuple(
    ChangeResult(
        kind=change.kind,
        target=change.target,
        status="changed",
        read_back=change.after if change.kind == "sysctl" else None,
    )
    for change in CHANGES
)
BEFORE = facts({SOMAXCONN: "128", FIN: "60"})
AFTER = applied(BEFORE, PLAN)


@pytest.fixture
def checks(tmp_path: Path) -> Iterator[Checks]:
    with checks_in(tmp_path) as made:
        yield made


def confirm(checks: Checks, run_id: str = "run-1") -> None:
    """An apply went through, half an hour after the last check."""
    at = iso(checks.now - timedelta(minutes=30))
    result = run_of(host_run("web-1", changes=RESULTS), run_id=run_id, finished=at)
    plan = replace(plan_with({"web-1": PLAN}), playbook_digest=checks.policy.digest)
    checks.history.book.confirm(confirmed_hosts(result, plan))


def test_what_a_run_has_written_is_no_drift_and_not_even_noted(checks: Checks) -> None:
    assert told(checks.check(BEFORE)) == [("new-node", "fin")]
    confirm(checks)
    report = checks.check(AFTER)
    assert (told(report), told(report, "noted"), told(report, "closed")) == ([], [], [("new-node", "fin")])


def test_a_node_that_was_never_checked_is_compared_with_the_run(checks: Checks) -> None:
    confirm(checks)
    assert told(checks.check(live(AFTER, fin="77"))) == [("drift", "fin")]


def test_values_of_the_run_that_the_playbook_does_not_speak_of_are_watched_too(checks: Checks) -> None:
    confirm(checks)
    assert told(checks.check(AFTER)) == []
    moved = replace(AFTER, sysctls={**AFTER.sysctls, SOMAXCONN: replace(AFTER.sysctls[SOMAXCONN], value="128")})
    report = checks.check(moved)
    assert told(report) == [("drift", SOMAXCONN)]
    [item] = items(report)
    assert (item.deviation.value, item.deviation.was) == ("128", "8192")
    assert "the run run-1 has written 8192" in item.deviation.reason
    assert told(checks.check(AFTER), "closed") == [("drift", SOMAXCONN)]


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (NodeFile(path=FILE, kind="file", content=b"other\n"), "has not the content any more"),
        (NodeFile(path=FILE, kind="link", link="/dev/null"), "is a link now"),
        (None, "is gone"),
    ],
)
def test_a_file_of_the_run_is_watched(checks: Checks, file: NodeFile | None, reason: str) -> None:
    confirm(checks)
    assert told(checks.check(AFTER)) == []
    others = {path: each for path, each in AFTER.files.items() if path != FILE}
    report = checks.check(replace(AFTER, files=others if file is None else {**others, FILE: file}))
    assert ("drift", FILE) in told(report)
    assert drift_exit_code(report) == 3
    [told_of] = [item for item in items(report) if item.deviation.name == FILE]
    assert reason in told_of.deviation.reason
    assert told(checks.check(AFTER)) == []


def test_a_file_that_was_removed_and_is_there_again_is_told(checks: Checks) -> None:
    confirm(checks)
    old = NodeFile(path="/etc/sysctl.d/99-old.conf", kind="file", content=b"x")
    assert told(checks.check(replace(AFTER, files={**AFTER.files, old.path: old}))) == [("drift", old.path)]


def test_a_file_that_only_root_sees_is_not_told_as_gone_by_others(checks: Checks) -> None:
    hidden = "/etc/rancher/k3s/config.yaml.d/90-fleet.yaml"
    left = Confirmed(run_id="r", at=iso(START), digest="d", boot_id=None, files={hidden: (sha256(b"").hexdigest(),)})
    checks.history.book.confirm({"web-1": left})
    mine = facts()
    assert told(checks.check(replace(mine, identity=replace(mine.identity, uid=1000)))) == []
    assert told(checks.check(mine)) == [("drift", hidden)]


def test_what_was_rolled_back_is_not_watched_any_more(checks: Checks) -> None:
    confirm(checks)
    checks.check(AFTER)
    checks.history.book.take_back("another", ["web-1"])
    assert ("drift", FILE) in told(checks.check(BEFORE))
    checks.history.book.take_back("run-1", ["web-1"])
    assert ("drift", FILE) not in told(checks.check(BEFORE))


def test_only_hosts_where_the_run_was_confirmed_count() -> None:
    hosts = (
        host_run("web-1", changes=RESULTS),
        host_run("web-2", status="undone", node="before"),
        host_run("web-3", node="pending"),
        host_run("web-4", status="noop", node="before"),
    )
    plan = plan_with(dict.fromkeys(("web-1", "web-2", "web-3", "web-4"), PLAN))
    assert list(confirmed_hosts(run_of(*hosts), plan)) == ["web-1"]


def test_hosts_that_a_run_changes_meanwhile_are_not_compared(checks: Checks) -> None:
    checks.check(facts())
    checks.history.runs.begin(begin("apply-1", kind="apply", started=iso(checks.now), machine="elsewhere"))
    during = checks.check(live(facts(), fin="60"))
    assert (told(during), told(during, "noted")) == ([], [])
    assert "web-1: a run was changing this" in during.notes[0]
    end = HistoryEnd(
        status="done", exit_code=0, finished=iso(checks.now), hosts=(HistoryHost(name="web-2", status="changed"),)
    )
    checks.history.runs.end("apply-1", end)
    checks.now -= timedelta(seconds=1)
    report = checks.check(**{"web-1": live(facts(), fin="60"), "web-2": live(facts(), fin="60")})
    assert (told(report), told(report, host="web-2")) == ([("drift", "fin")], [])


def test_a_run_that_was_killed_elsewhere_does_not_blind_for_ever(checks: Checks) -> None:
    checks.check(facts())
    checks.history.runs.begin(begin("apply-1", kind="apply", started=iso(START), machine="elsewhere"))
    checks.now = START + timedelta(days=1)
    assert told(checks.check(live(facts(), fin="60"))) == [("drift", "fin")]


def test_a_check_that_was_overtaken_changes_nothing(checks: Checks) -> None:
    checks.check(facts())
    checks.check(live(facts(), fin="60"))
    checks.now = START + timedelta(minutes=30)
    late = checks.check(facts())
    assert told(late) == [("drift", "fin")]
    checks.now = START + timedelta(hours=5)
    assert [item.first_seen for item in items(checks.check(live(facts(), fin="60")))] == [
        iso(START + timedelta(hours=1))
    ]
