"""Whether a node is as its plan says, by the facts that were read after the change."""

from dataclasses import replace
from pathlib import Path

import pytest
from support.kernel import node
from support.plans import BUCKETS, FILE, FIN, LIBERAL, MAX, MODULES, RANGE, RESERVED, applied, planned, playbook_of

from fleet.facts.masking import mask_yaml
from fleet.model.facts import NodeFacts, NodeFile, Sysctl
from fleet.model.rollout import ChangeResult
from fleet.plan import Change, FileState, NodePlan
from fleet.rollout.verify import altered, moved_since, unlike_plan, what_to_read

BEFORE = node(sysctls={FIN: "60", LIBERAL: "0", RANGE: "32768 60999", RESERVED: ""}, files=MODULES, modules=frozenset())


@pytest.fixture
def plan(tmp_path: Path) -> NodePlan:
    return planned(
        playbook_of(
            tmp_path,
            f"setting: {{sysctl: {FIN}}}, expect: {{equals: 30}}, set: 30",
            f"setting: {{sysctl: {RANGE}}}, expect: {{equals: 20000 60999}}, set: 20000 60999",
            "setting: {module: ip_vs}, expect: {loaded: true}",
        ),
        BEFORE,
    )


def with_live(facts: NodeFacts, key: str, value: str) -> NodeFacts:
    return replace(facts, sysctls={**facts.sysctls, key: Sysctl(key=key, value=value, writable=True)})


def with_file(facts: NodeFacts, path: str, text: str) -> NodeFacts:
    return replace(facts, files={**facts.files, path: NodeFile(path=path, kind="file", content=text.encode())})


def test_a_node_on_which_the_plan_was_carried_out_is_as_planned(plan: NodePlan) -> None:
    assert {change.kind for change in plan.changes} == {"file", "module", "sysctl"}
    assert plan.next_boot == {FIN: "30", RANGE: "20000 60999"}
    assert unlike_plan(plan, applied(BEFORE, plan)) == ()


def test_everything_that_is_not_as_planned_is_named(plan: NodePlan) -> None:
    assert unlike_plan(plan, BEFORE) == (
        "/etc/modules-load.d/fleet.conf is not there",
        f"{FILE} is not there",
        "the module ip_vs is not loaded",
        f"{FIN} is 60, not 30",
        f"{RANGE} is 32768 60999, not 20000 60999",
        f"the next boot would leave 60 in {FIN}, not 30: no file sets it",
        f"the next boot would leave 32768 60999 in {RANGE}, not 20000 60999: no file sets it",
    )


def test_values_are_compared_as_the_kernel_means_them(plan: NodePlan) -> None:
    assert unlike_plan(plan, with_live(applied(BEFORE, plan), RANGE, "20000\t60999")) == ()


def test_a_file_that_wins_over_ours_is_seen_although_every_value_is_right_now(plan: NodePlan) -> None:
    facts = with_file(applied(BEFORE, plan), "/etc/sysctl.d/zz-late.conf", f"{FIN} = 7\n")
    [problem] = unlike_plan(plan, facts)
    assert problem.startswith(f"the next boot would leave 7 in {FIN}, not 30: set by /etc/sysctl.d/zz-late.conf:1")


def test_a_file_of_other_content_and_one_that_should_be_gone(plan: NodePlan) -> None:
    done = applied(BEFORE, plan)
    assert f"{FILE} has not the planned content" in unlike_plan(plan, with_file(done, FILE, "# other\n"))
    removal = Change(
        kind="file", target="/etc/sysctl.d/old.conf", before="", after=None, diff="", reason="", controls=()
    )
    gone = replace(plan, changes=(removal,), next_boot={})
    assert unlike_plan(gone, done) == ()
    assert unlike_plan(gone, with_file(done, removal.target, "")) == ("/etc/sysctl.d/old.conf is still there",)


def test_what_a_node_says_cannot_steer_the_terminal(plan: NodePlan) -> None:
    [problem, *_] = unlike_plan(plan, with_live(applied(BEFORE, plan), FIN, "\x1b[2J"))
    assert problem == f"{FIN} is \\x1b[2J, not 30"


def result(key: str, read: str | None) -> ChangeResult:
    return ChangeResult(kind="sysctl", target=key, status="changed", read_back=read)


def live(key: str, after: str) -> NodePlan:
    change = Change(kind="sysctl", target=key, before="1", after=after, diff="", reason="", controls=())
    return NodePlan(changes=(change,), kept=(), refused=(), remedies=(), risks=(), preconditions=None)


@pytest.mark.parametrize(
    ("key", "wanted", "read", "is_altered"),
    [
        (MAX, "262144", "262144", False),
        (MAX, "262144", "262143", True),
        (RESERVED, "30000-32767,8080", "8080,30000-32767", False),
        (RESERVED, "", "", False),
        (RANGE, "20000 60999", "20000\t60999", False),
        (BUCKETS, "100000", "100352", False),
        (BUCKETS, "100000", "65536", True),
        (BUCKETS, "100000", "200704", True),
        (FIN, "30", "30 ", False),
    ],
)
def test_what_the_kernel_rounds_and_sorts_is_not_altered(key: str, wanted: str, read: str, is_altered: bool) -> None:  # noqa: FBT001 a table
    assert bool(altered(live(key, wanted), (result(key, read),))) is is_altered


def test_an_altered_value_is_told_with_what_was_wanted() -> None:
    assert altered(live(FIN, "30"), (result(FIN, "60"),)) == (f"{FIN} was written as 30, and the kernel made 60 of it",)


SNIPPET = "/etc/rancher/k3s/config.yaml.d/50-team.yaml"
MASKED = mask_yaml(b"token: secret\nkube-proxy-arg: [a=b]\n")


def test_masked_files_are_compared_here_since_the_node_cannot(tmp_path: Path) -> None:
    facts = replace(BEFORE, files={**BEFORE.files, SNIPPET: NodeFile(path=SNIPPET, kind="file", content=MASKED)})
    setting = f"setting: {{sysctl: {FIN}}}, expect: {{equals: 30}}, set: 30"
    made = planned(playbook_of(tmp_path, setting), facts)
    assert made.preconditions is not None
    assert made.preconditions.files[SNIPPET].masked
    assert moved_since(made, facts) == ()
    other = with_file(facts, SNIPPET, "kube-proxy-arg: [c=d]\n")
    assert moved_since(made, other) == (f"{SNIPPET} is not as it was: its content has changed",)
    gone = replace(facts, files={path: file for path, file in facts.files.items() if path != SNIPPET})
    assert moved_since(made, gone) == (f"{SNIPPET} is not as it was: file then, absent now",)
    # Where all is as planned already, it does not matter.
    assert moved_since(made, applied(other, made)) == ()


def test_a_masked_file_that_the_plan_writes_may_be_written_already(tmp_path: Path) -> None:
    setting = f"setting: {{sysctl: {FIN}}}, expect: {{equals: 30}}, set: 30"
    made = planned(playbook_of(tmp_path, setting), BEFORE)
    assert made.preconditions is not None
    written = Change(kind="file", target=SNIPPET, before=None, after="a: b\n", diff="", reason="", controls=())
    states = {**made.preconditions.files, SNIPPET: FileState(kind="absent", masked=True)}
    made = replace(made, changes=(written, *made.changes), preconditions=replace(made.preconditions, files=states))
    half = with_file(BEFORE, SNIPPET, mask_yaml(b"a: b\n").decode())
    assert moved_since(made, half) == ()
    assert moved_since(made, with_file(BEFORE, SNIPPET, "c: d\n")) == (
        f"{SNIPPET} is not as it was: absent then, file now",
    )


def test_the_probe_is_asked_for_every_key_and_file_of_the_plan(plan: NodePlan) -> None:
    odd = replace(plan, next_boot={"vm.swappiness": "1"})
    request = what_to_read(odd)
    assert {FIN, RANGE, "vm.swappiness"} <= set(request.keys)
    assert set(request.files) == {FILE, "/etc/modules-load.d/fleet.conf"}
