"""What is planned for a node, from its facts alone."""

from dataclasses import replace
from pathlib import Path

import pytest
from support.facts import ABSENT, CONNTRACK, IDENTITY, NEEDS_ROOT, node_facts
from support.kernel import node
from support.plans import (
    BUCKETS,
    CMDLINE,
    FILE,
    FIN,
    LIBERAL,
    MAX,
    MODULES,
    RESERVED,
    applied,
    by_target,
    files,
    planned,
    playbook_of,
    refusal,
    values,
)

from fleet.kernel.boot import BootSet, resolve_boot
from fleet.model.facts import NodeFacts, Sysctl
from fleet.plan import NodePlan


def fin(tmp_path: Path, facts: NodeFacts, more: str = "set: 50") -> NodePlan:
    return planned(playbook_of(tmp_path, f"setting: {{sysctl: {FIN}}}, expect: {{at_least: 30}}, {more}"), facts)


def test_a_key_that_fails_is_written_live_and_into_one_file_that_wins(tmp_path: Path) -> None:
    facts = node(sysctls={FIN: "5"}, files=CMDLINE)
    plan = fin(tmp_path, facts)
    change = by_target(plan)["sysctl", FIN]
    assert (change.before, change.after, change.diff, change.controls) == ("5", "50", "5 -> 50", ("c-1",))
    assert files(plan) == [FILE]
    file = by_target(plan)["file", FILE]
    assert (file.before, file.mode, file.controls) == (None, 0o644, ("c-1",))
    assert f"+{FIN} = 50" in file.diff.splitlines()
    assert file.diff.startswith(f"--- /dev/null\n+++ b{FILE}\n")
    boot = resolve_boot(applied(facts, plan), [FIN])[FIN]
    assert isinstance(boot, BootSet)
    assert (boot.value, boot.winner.origin.path) == ("50", FILE)


def test_a_larger_acceptable_value_is_not_lowered(tmp_path: Path) -> None:
    plan = fin(tmp_path, node(sysctls={FIN: "90"}, kept=True))
    assert plan.changes == plan.refused == ()
    assert plan.preconditions is None
    assert [(each.why, each.reason) for each in plan.kept] == [("noop", "is 90; pods keep their own value")]


def test_where_only_the_boot_is_wrong_the_file_keeps_what_is_live(tmp_path: Path) -> None:
    plan = fin(tmp_path, node(sysctls={FIN: "90"}, files={"/etc/sysctl.d/50-a.conf": f"{FIN} = 5\n"}))
    assert values(plan) == {}
    assert f"\n{FIN} = 90\n" in str(by_target(plan)["file", FILE].after)


def test_where_only_the_live_value_is_wrong_it_becomes_that_of_the_files(tmp_path: Path) -> None:
    plan = fin(tmp_path, node(sysctls={FIN: "5"}, files={"/etc/sysctl.d/50-a.conf": f"{FIN} = 90\n"}))
    assert (values(plan), files(plan)) == ({("sysctl", FIN): "90"}, [])


@pytest.mark.parametrize(
    ("other", "chosen"),
    [
        ("/etc/sysctl.d/50-a.conf", FILE),
        ("/etc/sysctl.d/95-a.conf", "/etc/sysctl.d/99-zz-fleet.conf"),
        ("/usr/lib/sysctl.d/99-zzz.conf", "/etc/sysctl.d/zz-fleet.conf"),
    ],
)
def test_the_name_of_the_file_is_the_first_that_wins(tmp_path: Path, other: str, chosen: str) -> None:
    facts = node(sysctls={FIN: "5"}, files={other: f"{FIN} = 5\n"})
    plan = fin(tmp_path, facts)
    assert files(plan) == [chosen]
    boot = resolve_boot(applied(facts, plan), [FIN])[FIN]
    assert isinstance(boot, BootSet)
    assert boot.value == "50"


def test_where_no_name_wins_the_line_that_does_is_named(tmp_path: Path) -> None:
    plan = fin(tmp_path, node(sysctls={FIN: "5"}, files={"/etc/sysctl.d/zzz.conf": f"\n{FIN} = 5\n"}))
    assert refusal(plan) == (
        "whatever the file is called, the next boot would leave 5 and not 50: set by /etc/sysctl.d/zzz.conf:2"
    )


def test_where_the_kernels_default_is_what_is_wanted_no_file_is_needed(tmp_path: Path) -> None:
    plan = fin(tmp_path, node(sysctls={FIN: "5"}), "set: 60")
    assert (values(plan), files(plan)) == ({("sysctl", FIN): "60"}, [])


def test_the_kernels_default_does_not_replace_what_the_control_sets(tmp_path: Path) -> None:
    plan = fin(tmp_path, node(sysctls={FIN: "5"}), "set: 45")
    assert (values(plan), files(plan)) == ({("sysctl", FIN): "45"}, [FILE])


def test_a_key_without_a_winning_name_does_not_hold_up_the_others(tmp_path: Path) -> None:
    policy = playbook_of(
        tmp_path,
        f"setting: {{sysctl: {FIN}}}, expect: {{equals: 50}}, set: 50",
        "setting: {sysctl: net.core.somaxconn}, expect: {equals: 4097}, set: 4097",
    )
    facts = node(sysctls={FIN: "5", "net.core.somaxconn": "128"}, files={"/etc/sysctl.d/zzz.conf": f"{FIN} = 5\n"})
    plan = planned(policy, facts)
    assert [each.target for each in plan.refused] == [FIN]
    assert values(plan) == {("sysctl", "net.core.somaxconn"): "4097"}
    assert FIN not in str(by_target(plan)["file", FILE].after)


def test_files_of_somebody_else_are_never_overwritten(tmp_path: Path) -> None:
    plan = fin(tmp_path, node(sysctls={FIN: "5"}, files={FILE: "# mine\n"}))
    assert files(plan) == ["/etc/sysctl.d/99-zz-fleet.conf"]
    names = (FILE, "/etc/sysctl.d/99-zz-fleet.conf", "/etc/sysctl.d/zz-fleet.conf")
    assert "move one of them away" in refusal(
        fin(tmp_path, node(sysctls={FIN: "5"}, files=dict.fromkeys(names, "# mine\n")))
    )


@pytest.mark.parametrize(
    ("state", "live", "written"), [("live", "50", []), ("boot", None, [FILE]), ("both", "50", [FILE])]
)
def test_only_the_state_that_a_control_asks_for_is_changed(
    tmp_path: Path, state: str, live: str | None, written: list[str]
) -> None:
    facts = node(sysctls={FIN: "5"}, files={"/etc/sysctl.d/50-a.conf": f"{FIN} = 5\n"})
    plan = fin(tmp_path, facts, f"set: 50, state: {state}")
    assert values(plan).get(("sysctl", FIN)) == live
    assert files(plan) == written


def test_a_value_that_slips_because_of_the_other_changes_is_put_into_the_file(tmp_path: Path) -> None:
    policy = playbook_of(
        tmp_path,
        f"setting: {{sysctl: {LIBERAL}}}, expect: {{equals: 1}}, set: 1",
        f"setting: {{sysctl: {BUCKETS}}}, expect: {{at_least: 32768}}, set: 262144",
    )
    own = {"/etc/modprobe.d/own.conf": "options nf_conntrack hashsize=32768\n"}
    lost = {"/etc/sysctl.d/10-a.conf": f"{BUCKETS} = 1024\n"}
    facts = node(sysctls={LIBERAL: "0", BUCKETS: "1024", MAX: "262144"}, files=own | lost | CMDLINE)
    plan = planned(policy, facts)
    assert plan.refused == ()
    assert f"\n{BUCKETS} = 32768\n" in str(by_target(plan)["file", FILE].after)
    assert planned(policy, applied(facts, plan)).changes == ()


def test_where_another_file_wins_with_an_acceptable_value_that_one_is_taken(tmp_path: Path) -> None:
    policy = playbook_of(
        tmp_path,
        f"setting: {{sysctl: {LIBERAL}}}, expect: {{equals: 1}}, set: 1",
        f"setting: {{sysctl: {CLOSE_WAIT}}}, expect: {{at_least: 60}}, set: 3600",
    )
    lost = {"/etc/sysctl.d/zzz.conf": f"{CLOSE_WAIT} = 90\n"}
    facts = node(sysctls={LIBERAL: "0", CLOSE_WAIT: "1"}, files=lost | CMDLINE)
    plan = planned(policy, facts)
    assert plan.refused == ()
    assert values(plan) == {("sysctl", LIBERAL): "1", ("sysctl", CLOSE_WAIT): "90"}
    assert CLOSE_WAIT not in str(by_target(plan)["file", FILE].after)


def test_a_key_that_the_other_changes_put_right_is_said_to_need_none_of_its_own(tmp_path: Path) -> None:
    policy = playbook_of(
        tmp_path,
        f"setting: {{sysctl: {LIBERAL}}}, expect: {{equals: 1}}, set: 1",
        f"setting: {{sysctl: {CLOSE_WAIT}}}, expect: {{at_least: 90}}, set: 3600",
    )
    lost = {"/etc/sysctl.d/zzz.conf": f"{CLOSE_WAIT} = 90\n"}
    plan = planned(policy, node(sysctls={LIBERAL: "0", CLOSE_WAIT: "120"}, files=lost | CMDLINE))
    assert values(plan) == {("sysctl", LIBERAL): "1"}
    assert [(each.target, each.why) for each in plan.kept] == [(CLOSE_WAIT, "noop")]


def test_a_key_that_does_not_fit_into_a_file_does_not_hold_up_the_others(tmp_path: Path) -> None:
    odd = "kernel.core_pattern"
    policy = playbook_of(
        tmp_path,
        f"setting: {{sysctl: {odd}}}, scope: host, expect: {{one_of: ['', empty]}}, set: ''",
        f"setting: {{sysctl: {FIN}}}, expect: {{equals: 50}}, set: 50",
    )
    plan = planned(policy, node(sysctls={odd: "core", FIN: "5"}))
    assert [each.target for each in plan.refused] == [odd]
    assert values(plan) == {("sysctl", FIN): "50"}


def test_what_an_earlier_plan_wrote_stays_in_the_file(tmp_path: Path) -> None:
    first = node(sysctls={FIN: "5", "net.core.somaxconn": "128"}, files=CMDLINE)
    facts = applied(first, fin(tmp_path, first))
    plan = planned(
        playbook_of(tmp_path, "setting: {sysctl: net.core.somaxconn}, expect: {equals: 4097}, set: 4097"), facts
    )
    file = by_target(plan)["file", FILE]
    assert f"\n{FIN} = 50\n" in str(file.after)
    assert "\nnet.core.somaxconn = 4097\n" in str(file.after)
    assert file.controls == ("c-1",)


def test_a_file_that_no_longer_wins_moves_to_a_name_that_does(tmp_path: Path) -> None:
    first = node(sysctls={FIN: "5"}, files=CMDLINE)
    done = applied(first, fin(tmp_path, first))
    late = node(files={"/etc/sysctl.d/95-b.conf": f"{FIN} = 5\n"}).files["/etc/sysctl.d/95-b.conf"]
    facts = replace(done, files={**done.files, late.path: late})
    plan = fin(tmp_path, facts)
    assert [(each.target, each.after is None) for each in plan.changes] == [
        ("/etc/sysctl.d/99-zz-fleet.conf", False),
        (FILE, True),
    ]
    assert fin(tmp_path, applied(facts, plan)).changes == ()


def test_a_module_whose_keys_would_be_lost_is_loaded_before_them(tmp_path: Path) -> None:
    policy = playbook_of(tmp_path, f"setting: {{sysctl: {LIBERAL}}}, expect: {{equals: 1}}, set: 1")
    facts = node(sysctls={LIBERAL: "0"}, files=CMDLINE)
    plan = planned(policy, facts)
    assert files(plan) == ["/etc/modules-load.d/fleet.conf", FILE]
    assert str(by_target(plan)["file", "/etc/modules-load.d/fleet.conf"].after).endswith("\nnf_conntrack\n")
    assert isinstance(resolve_boot(applied(facts, plan), [LIBERAL])[LIBERAL], BootSet)


CLOSE_WAIT = "net.netfilter.nf_conntrack_tcp_timeout_close_wait"
LOST = {"/etc/sysctl.d/10-a.conf": f"{MAX} = 4096\n", **CMDLINE}


def awakening(tmp_path: Path, more: dict[str, str]) -> NodePlan:
    """A plan that has the module loaded, by which a line takes effect that was lost before."""
    policy = playbook_of(
        tmp_path,
        f"setting: {{sysctl: {MAX}}}, expect: {{at_least: 131072}}",
        f"setting: {{sysctl: {CLOSE_WAIT}}}, expect: {{equals: 120}}, set: 120",
    )
    return planned(policy, node(sysctls={MAX: "262144", CLOSE_WAIT: "60"}, files=LOST | more))


def test_a_line_that_a_plan_would_wake_up_is_overruled_by_the_plan(tmp_path: Path) -> None:
    plan = awakening(tmp_path, {})
    assert f"\n{MAX} = 262144\n" in str(by_target(plan)["file", FILE].after)
    assert values(plan) == {("sysctl", CLOSE_WAIT): "120"}
    assert MAX not in {each.target for each in plan.kept}


def test_where_such_a_line_cannot_be_overruled_nothing_is_planned(tmp_path: Path) -> None:
    plan = awakening(tmp_path, {"/etc/sysctl.d/zzz.conf": f"{MAX} = 4096\n"})
    assert plan.changes == ()
    assert {each.target for each in plan.refused} == {MAX, CLOSE_WAIT}


def test_buckets_are_given_to_the_module_and_the_limit_stays_what_it_is(tmp_path: Path) -> None:
    policy = playbook_of(tmp_path, f"setting: {{sysctl: {BUCKETS}}}, expect: {{at_least: 262144}}, set: 262144")
    facts = node(sysctls={BUCKETS: "65536", MAX: "262144"}, files={**MODULES, **CMDLINE})
    plan = planned(policy, facts)
    assert files(plan) == ["/etc/modprobe.d/fleet.conf", FILE]
    assert str(by_target(plan)["file", "/etc/modprobe.d/fleet.conf"].after).endswith(
        "\noptions nf_conntrack hashsize=262144\n"
    )
    boot = resolve_boot(applied(facts, plan), [MAX])[MAX]
    assert isinstance(boot, BootSet)
    assert boot.value == "262144"
    assert any("MiB more kernel memory at once" in risk for risk in plan.risks)


def test_a_list_of_ports_keeps_what_others_reserved(tmp_path: Path) -> None:
    control = f'setting: {{sysctl: {RESERVED}}}, expect: {{covers: "30000-32767"}}, set: "30000-32767"'
    plan = planned(
        playbook_of(tmp_path, control),
        node(sysctls={RESERVED: "8080"}, files={"/etc/sysctl.d/50-a.conf": f"{RESERVED} = 9090\n"}),
    )
    assert values(plan) == {("sysctl", RESERVED): "8080,9090,30000-32767"}
    assert f"\n{RESERVED} = 8080,9090,30000-32767\n" in str(by_target(plan)["file", FILE].after)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("set: '{{ node.cores * 1000000 }}'", "out of bounds"),
        ("set: '{{ node.cores * 5 }}'", "c-1 expects at least 30"),
        (
            "set: '{{ node.cores * 20 }}', bounds: {at_most: '{{ node.cores * 10 }}'}",
            "80 would be written, which is out",
        ),
        ("set: '{{ 1 / 0 }}'", "division by zero"),
        ("set: '{{ node.hostname }}'", "what would be written is refused"),
    ],
)
def test_a_computed_value_is_held_against_bounds_and_expectation(tmp_path: Path, more: str, told: str) -> None:
    assert told in refusal(fin(tmp_path, node(sysctls={FIN: "5"}), more))


def test_controls_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    policy = playbook_of(
        tmp_path,
        f"setting: {{sysctl: {FIN}}}, expect: {{equals: 60}}, set: 60",
        f"setting: {{sysctl: {FIN}}}, expect: {{equals: 30}}, set: 30",
    )
    assert refusal(planned(policy, node(sysctls={FIN: "5"}))) == "60 would be written, but c-2 expects 30"


def test_a_limit_below_the_connections_there_are_is_refused(tmp_path: Path) -> None:
    policy = playbook_of(tmp_path, f"setting: {{sysctl: {MAX}}}, expect: {{at_most: 131072}}, set: 131072")
    facts = node(sysctls={MAX: "262144"}, files=MODULES, conntrack=replace(CONNTRACK, count=200_000))
    assert "the table holds 200000 connections now" in refusal(planned(policy, facts))


def test_a_key_that_is_read_only_here_is_refused(tmp_path: Path) -> None:
    facts = node_facts(sysctls={FIN: 5})
    closed = replace(facts, sysctls={FIN: Sysctl(key=FIN, value="5", writable=False)}, files={})
    assert "read-only here" in refusal(fin(tmp_path, closed))


def test_a_boot_that_cannot_be_foretold_is_refused(tmp_path: Path) -> None:
    facts = node(sysctls={FIN: "5"}, identity=replace(IDENTITY, init="runit"))
    assert "cannot be proved: process 1 is 'runit'" in refusal(fin(tmp_path, facts))


@pytest.mark.parametrize(
    ("setting", "facts", "why", "told"),
    [
        (f"setting: {{sysctl: {FIN}}}, expect: {{equals: 60}}", {FIN: "5"}, "no-set", "no value to write"),
        (f"setting: {{sysctl: {FIN}}}, expect: {{equals: 60}}, set: 60", {FIN: ABSENT}, "skipped", "no net.ipv4"),
        (f"setting: {{sysctl: {FIN}}}, expect: {{equals: 60}}, set: 60", {FIN: NEEDS_ROOT}, "skipped", "needs root"),
        ("setting: {fact: conntrack.usage_percent}, expect: {at_most: 0}", {}, "no-set", "nothing else"),
        ("setting: {module: nf_conntrack}, expect: {loaded: true}", {}, "noop", "is loaded"),
    ],
)
def test_what_is_not_changed_says_why(tmp_path: Path, setting: str, facts: dict[str, str], why: str, told: str) -> None:
    plan = planned(playbook_of(tmp_path, setting), node_facts(sysctls=facts))
    assert plan.changes == plan.refused == ()
    [kept] = plan.kept
    assert kept.why == why
    assert told in kept.reason


def test_an_exception_keeps_a_node_as_it_is(tmp_path: Path) -> None:
    more = "exceptions: [{control: c-1, hosts: all, reason: r, owner: o, expires: 2027-03-01}]\n"
    control = f"setting: {{sysctl: {FIN}}}, expect: {{equals: 60}}, set: 60"
    plan = planned(playbook_of(tmp_path, control, more=more), node(sysctls={FIN: "5"}))
    assert plan.changes == ()
    assert [each.why for each in plan.kept] == ["skipped"]


def test_a_module_is_loaded_now_and_at_each_boot(tmp_path: Path) -> None:
    policy = playbook_of(tmp_path, "setting: {module: nf_conntrack}, expect: {loaded: true}")
    facts = node(modules=frozenset(), files=CMDLINE)
    plan = planned(policy, facts)
    assert [(each.kind, each.target) for each in plan.changes] == [
        ("file", "/etc/modules-load.d/fleet.conf"),
        ("module", "nf_conntrack"),
    ]
    assert planned(policy, applied(facts, plan)).changes == ()


def test_pods_are_said_to_keep_their_own_value(tmp_path: Path) -> None:
    [kept] = fin(tmp_path, node(sysctls={FIN: "5"})).kept
    assert (kept.why, kept.target) == ("scope", FIN)
    assert kept.reason.startswith("pods keep their own value: ")
