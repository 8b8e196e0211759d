"""Which controls a plan was to mend, and what the gate says of those that do not pass."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.kernel import node
from support.plans import CMDLINE, FILE, FIN, LIBERAL, MAX, MODULES, applied, planned, playbook_of
from support.verify import TODAY, WEB, host_of_facts

from fleet.model.facts import NodeFacts
from fleet.plan import Change, Kept, NodePlan, Refused, Remedy
from fleet.policy import Policy
from fleet.rollout.gates.verify import mended_controls, unmended
from fleet.verify.independent import Reading
from fleet.verify.suite import Node

VALUES = {
    LIBERAL: ("0", "1"),
    MAX: ("4096", "262144", "1048576"),
    FIN: ("5", "60", "600"),
    "net.ipv4.tcp_keepalive_time": ("60", "7200"),
    "net.core.somaxconn": ("128", "4096"),
}
CONTROLS = (
    f"setting: {{sysctl: {LIBERAL}}}, expect: {{equals: 1}}, set: 1, scope: host-namespace",
    f"setting: {{sysctl: {MAX}}}, expect: {{at_least: 262144}}, set: 262144, scope: host",
    f"setting: {{sysctl: {FIN}}}, expect: {{at_least: 15}}, prefer: {{at_most: 120}}, set: 60, scope: namespace",
    "setting: {sysctl: net.ipv4.tcp_keepalive_time}, expect: {at_most: 600}, set: 600, scope: namespace, state: live",
    "setting: {sysctl: net.core.somaxconn}, expect: {at_least: 4096}, set: 4096, scope: namespace, state: boot",
    "setting: {sysctl: net.core.somaxconn}, expect: {at_least: 512}, set: 4096, scope: namespace",
)
PATHS = ("/etc/sysctl.d/10-a.conf", FILE, "/etc/sysctl.d/zzzz.conf", "/etc/sysctl.conf")
MANAGED = "# Managed by fleet, playbook: another\n"


@st.composite
def nodes(draw: st.DrawFn) -> NodeFacts:
    live = {key: draw(st.sampled_from(values)) for key, values in VALUES.items() if draw(st.integers(0, 3))}
    files = {**CMDLINE, **draw(st.sampled_from([MODULES, {}]))}
    for path in draw(st.sets(st.sampled_from(PATHS), max_size=3)):
        keys = draw(st.sets(st.sampled_from(sorted(VALUES)), max_size=3))
        lines = [f"{key} = {draw(st.sampled_from(VALUES[key]))}\n" for key in sorted(keys)]
        files[path] = (MANAGED if path == FILE else "") + "".join(lines)
    return node(sysctls=live, files=files)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    return playbook_of(tmp_path_factory.mktemp("playbook"), *CONTROLS)


def problems(policy: Policy, plan: NodePlan, facts: NodeFacts) -> list[str]:
    return list(
        unmended(mended_controls(plan), policy, Node(policy, WEB, Reading(facts=facts), host_of_facts(facts), TODAY))
    )


@settings(max_examples=60)
@given(nodes())
def test_plan_that_was_applied_passes_and_one_that_was_not_fails(policy: Policy, facts: NodeFacts) -> None:
    plan = planned(policy, facts)
    assert problems(policy, plan, applied(facts, plan)) == []
    assert bool(problems(policy, plan, facts)) == bool(plan.changes)


def change(*controls: str) -> Change:
    return Change(kind="file", target=FILE, before=None, after="", diff="", reason="", controls=controls)


def test_lines_that_a_file_keeps_are_not_what_the_plan_mends() -> None:
    plan = NodePlan(
        changes=(change("mended", "kept", "refused"), change("elsewhere", "in-pods", "mended")),
        kept=(
            Kept(target="k", control="kept", why="skipped", reason="IPVS is not in use"),
            Kept(target="k", control="in-pods", why="scope", reason="pods keep their own value"),
        ),
        refused=(Refused(target="k", controls=("refused",), reason="another line wins"),),
        remedies=(Remedy(target="k", writer="kube-proxy", text="", patch="", controls=("elsewhere",)),),
        risks=(),
        preconditions=None,
    )
    assert mended_controls(plan) == ("mended", "in-pods")


def test_anything_but_a_pass_is_told_with_the_reason(tmp_path: Path) -> None:
    policy = playbook_of(
        tmp_path,
        f"setting: {{sysctl: {LIBERAL}}}, expect: {{equals: 1}}, state: live",
        f"setting: {{sysctl: {FIN}}}, expect: {{equals: 30}}, state: live",
        f"setting: {{sysctl: {MAX}}}, expect: {{at_least: 1}}, state: live",
        f"setting: {{sysctl: {FIN}}}, expect: {{at_least: 15}}, prefer: {{at_most: 30}}, state: live",
    )
    facts = node(sysctls={LIBERAL: "1", FIN: "60"}, modules=frozenset())
    seen = Node(policy, WEB, Reading(facts=facts), host_of_facts(facts), TODAY)
    assert list(unmended(["c-1", "c-2", "c-3", "c-4", "gone"], policy, seen)) == [
        f"c-2 (fail): {FIN} is 60, expected 30; pods keep their own value",
        f"c-3 (skip): {MAX} not checked: this kernel has no {MAX}",
        f"c-4 (warn): {FIN} is 60, preferred 30 or less; pods keep their own value",
        "gone is not in the playbook any more",
    ]
