"""What is said before anybody is asked for a yes."""

from dataclasses import replace

import pytest
from support.golden import assert_golden
from support.hostile import TRICKS
from support.plans import plan_of
from support.runs import RUN, host_run, run_of, sample_run

from fleet.model.finding import Failure
from fleet.model.rollout import CommandGate, Gate, PrometheusGate, ProveGate, RatesGate, Rollout, VerifyGate, Window
from fleet.plan import Change, HostPlan, NodePlan, Plan, Refused, Remedy
from fleet.report.intent_terminal import Intent, gate_words, hosts_to_change, render_intent
from fleet.report.past_run_terminal import render_resume, render_rollback

CHANGE = Change(
    kind="sysctl",
    target="net.ipv4.tcp_fin_timeout",
    before="5",
    after="50",
    diff="5 -> 50",
    reason="is 5",
    controls=("c-1",),
)
NOTHING = NodePlan(changes=(), kept=(), refused=(), remedies=(), risks=(), preconditions=None)
REFUSED = Refused(target="net.core.somaxconn", controls=("c-2",), reason="/etc/sysctl.d/zzz.conf:1 wins")
WEB = replace(NOTHING, changes=(CHANGE,), risks=("live connections feel it",))
WINDOW = Window(days=(5,), opens=1320, closes=240, zone="Europe/Berlin", text="Sat 22:00-04:00 Europe/Berlin")
GATES: tuple[Gate, ...] = (
    VerifyGate(),
    CommandGate(command=("curl", "-sf", "https://shop.example/health?of={host}")),
    CommandGate(command=("kubectl", "get", "node"), on="node"),
    PrometheusGate(url="http://prometheus.example:9090", query="rate(errors[1m])", expect="< 0.01"),
    RatesGate(),
    ProveGate(),
    ProveGate(on="node"),
)


def intent(rollout: Rollout | None = None, *, hosts: int = 12, size: int = 4) -> Intent:
    names = [f"web-{number:02}" for number in range(1, hosts + 1)]
    batches = [names[:1], *(names[start : start + size] for start in range(1, hosts, size))]
    others = {
        "done-1": NOTHING,
        "old-1": replace(NOTHING, refused=(REFUSED,)),
        "k8s-1": replace(NOTHING, remedies=(Remedy(target="t", writer="w", text="x", patch="p", controls=()),)),
        "db-2": HostPlan(name="db-2", error=Failure(kind="unreachable", message="no answer: is the node up?")),
    }
    plan = plan_of({**dict.fromkeys(names, WEB), **others})
    return Intent(plan=replace(plan, rollout=rollout or Rollout()), batches=batches, others=3)


def told(rollout: Rollout | None = None, **sizes: int) -> str:
    return render_intent(intent(rollout, **sizes), width=None).plain


def test_it_reads_as_reviewed() -> None:
    rollout = Rollout(
        serial=(1, 4),
        max_fail_percentage=10,
        soak=30,
        pause=60,
        confirm_within=240,
        undo="all",
        restart=("k3s",),
        gates=GATES,
        windows=(WINDOW,),
        before=("kubectl", "drain", "{host}"),
        after=("kubectl", "uncordon", "{host}"),
    )
    assert_golden("report/intent.txt", told(rollout) + "\n")


def test_only_what_is_asked_for_is_told() -> None:
    labels = {line.split()[0] for line in told().split("\n\n")[0].split("\n")[1:] if line[2] != " "}
    assert labels == {"hosts", "batches", "undo", "stop"}


def test_many_batches_are_told_as_a_number() -> None:
    lines = told(hosts=100, size=1)
    assert "and 92 more, with 92 hosts in all" in lines
    assert "web-50" not in lines


def test_one_batch_has_no_canary() -> None:
    assert "canary" not in told(hosts=1)
    assert "canary" in told(hosts=2)


def test_a_risk_of_many_hosts_is_told_once_and_those_left_out_say_why() -> None:
    lines = told()
    assert lines.count("live connections feel it") == 1
    assert "db-2: unreachable: no answer: is the node up?" in lines
    assert "old-1: the plan refuses all that should change" in lines


def test_the_question_counts_the_hosts_that_change() -> None:
    assert hosts_to_change(intent(hosts=7)) == 7


@pytest.mark.parametrize("trick", [*TRICKS, "\x1b[31m", "a\nb"])
def test_nothing_from_elsewhere_steers_the_terminal(trick: str) -> None:
    node = replace(WEB, risks=(trick,), refused=(Refused(target=trick, controls=(), reason=trick),))
    plan: Plan = plan_of(
        {trick: node, "x": HostPlan(name="x", error=Failure(kind="protocol", message=trick)), "y": NOTHING}
    )
    rollout = Rollout(before=(trick,), restart=(trick,), gates=(CommandGate(command=(trick,)),))
    lines = render_intent(Intent(plan=replace(plan, rollout=rollout), batches=[[trick]]), width=None).plain
    assert all(line.isprintable() for line in lines.split("\n"))


def test_a_rollback_says_what_it_gives_back_and_what_it_refuses() -> None:
    run = sample_run()
    lines = render_rollback(run, ["web-01", "web-02", "web-03"], force=False, width=None).plain
    assert RUN in lines
    assert "3 hosts with something to take back: web-{01..03}" in lines
    assert "refuses" in lines
    assert "forces" in render_rollback(run, [], force=True, width=None).plain


def test_a_resume_says_how_far_the_run_is() -> None:
    lines = render_resume(run_of(host_run("a"), status="running"), width=None).plain
    assert f"{RUN}, apply of play.yaml, started 2026-11-20T12:15:00.000Z; it is not finished" in lines
    assert "1 host: 1 changed" in lines


def test_each_gate_has_words() -> None:
    assert len({gate_words(gate) for gate in GATES}) == len(GATES)
