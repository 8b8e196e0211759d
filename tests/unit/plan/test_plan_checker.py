"""The checker in a plan: what it rests on, what it leaves to the controller, and when there is none."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from support.facts import IDENTITY, NOT_LOADED
from support.kernel import node, process
from support.on_node import compiled
from support.plans import (
    CMDLINE,
    FILE,
    FIN,
    LIBERAL,
    RESERVED,
    ROOT,
    applied,
    by_target,
    every_profile,
    planned,
    playbook_of,
)
from support.writers import kube_proxy

from fleet.model.errors import DocumentError
from fleet.model.facts import NodeFacts, NodeFile, Reason, Unavailable
from fleet.plan import NodePlan
from fleet.plan.checker import Check, Checks, checker_script
from fleet.policy import Policy
from fleet.policy.on_node import DATA, SCRIPT, SERVICE_FILE, TIMER, TIMER_FILE

ON_NODE = "on_node: {every: 15m, textfile_dir: /var/lib/metrics}\n"
FIN_CONTROL = f"setting: {{sysctl: {FIN}}}, expect: {{at_least: 30}}, set: 60"


def with_checker(tmp_path: Path, *controls: str, more: str = "") -> Policy:
    return playbook_of(tmp_path, *controls, more=ON_NODE + more)


def the_check(checks: Checks) -> Check:
    [check] = checks.checks
    return check


def left(checks: Checks) -> str:
    [unjudged] = checks.unjudged
    return unjudged.reason


def units(plan: NodePlan) -> list[tuple[str, str | None, str | None]]:
    return [(each.target, each.before, each.after) for each in plan.changes if each.kind == "unit"]


def test_a_checker_is_files_and_a_timer_that_is_started_last(tmp_path: Path) -> None:
    policy, facts = with_checker(tmp_path, FIN_CONTROL), node(sysctls={FIN: "5"}, files=CMDLINE)
    plan = planned(policy, facts)
    assert [each.target for each in plan.changes] == [SCRIPT, DATA, SERVICE_FILE, TIMER_FILE, FIN, TIMER]
    assert units(plan) == [(TIMER, "not enabled", "enabled")]
    assert by_target(plan)["file", SCRIPT].after == checker_script().decode()
    assert "\nOnUnitInactiveSec=900s\n" in str(by_target(plan)["file", TIMER_FILE].after)
    assert "\nReadWritePaths=-/var/lib/metrics\n" in str(by_target(plan)["file", SERVICE_FILE].after)
    assert {each.reason for each in plan.changes if each.target.startswith("/etc/fleet/")} == {
        "the node checks itself with it"
    }
    after = applied(facts, plan)
    assert planned(policy, after).changes == ()


def test_another_interval_starts_the_timer_again(tmp_path: Path) -> None:
    facts = node(sysctls={FIN: "60"}, files=CMDLINE)
    facts = applied(facts, planned(with_checker(tmp_path, FIN_CONTROL), facts))
    plan = planned(playbook_of(tmp_path, FIN_CONTROL, more=ON_NODE.replace("15m", "5m")), facts)
    assert [each.target for each in plan.changes] == [DATA, TIMER_FILE, TIMER]
    assert units(plan) == [(TIMER, "running", "restarted")]


def test_a_changed_configuration_is_planned_on_anew_and_the_hash_of_its_secrets_is_not_told(tmp_path: Path) -> None:
    path = "/etc/rancher/k3s/config.yaml"
    policy = with_checker(tmp_path, FIN_CONTROL)

    def fingerprint(config: str) -> str:
        files = {**CMDLINE, path: config}
        return compiled(policy, node(sysctls={FIN: "60"}, files=files)).fingerprint

    assert fingerprint("token: one\n") == fingerprint("token: two\n")
    assert fingerprint("token: one\n") != fingerprint("token: one\nkube-proxy-arg: [a=b]\n")


def test_the_plan_rests_on_every_file_that_a_verdict_may_rest_on(tmp_path: Path) -> None:
    facts = node(sysctls={FIN: "60"}, files={**CMDLINE, "/var/lib/kubelet/config.yaml": "kind: KubeletConfiguration\n"})
    held = planned(with_checker(tmp_path, FIN_CONTROL), facts).preconditions
    assert held is not None
    assert "/var/lib/kubelet/config.yaml" in held.files


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        (node(files=CMDLINE, identity=replace(IDENTITY, init="init")), "only systemd starts the checker"),
        (node(files={**CMDLINE, SCRIPT: "echo mine\n"}), f"{SCRIPT} is a file of somebody else"),
        (node(files={**CMDLINE, SERVICE_FILE: "[Service]\n"}), f"{SERVICE_FILE} is a file of somebody else"),
        (node(files={**CMDLINE, DATA: "# Managed by fleet\nplaybook\tOther\n"}), "by another playbook, 'Other'"),
    ],
)
def test_where_there_can_be_no_checker_the_plan_says_so(tmp_path: Path, facts: NodeFacts, told: str) -> None:
    plan = planned(with_checker(tmp_path, FIN_CONTROL), replace(facts, sysctls=node(sysctls={FIN: "60"}).sysctls))
    [refused] = plan.refused
    assert (refused.target, told in refused.reason, plan.changes) == (TIMER, True, ())


@pytest.mark.parametrize(
    ("control", "told"),
    [
        ("setting: {fact: protection.now.status}, expect: {equals: x}", "it counts with protection.now"),
        ("setting: {fact: kube.invalid_rule}, expect: {equals: true}", "it counts with kube.invalid_rule"),
        (f"{FIN_CONTROL}, when: conntrack.count > 5, skip_reason: s", "it counts with conntrack.count"),
        (f"setting: {{sysctl: {FIN}}}, expect: {{at_least: '{{{{ sizing.max }}}}'}}", "it counts with sizing.max"),
        (f"{FIN_CONTROL}, when: \"'overlay' in modules\", skip_reason: s", "it counts with modules"),
        (f"{FIN_CONTROL}, when: 'kube[vars.x] == 1', skip_reason: s", "it counts with 'kube[vars.x] == 1'"),
        ("setting: {ipvs: tcp_timeout}, expect: {at_least: 1}", "only ipvsadm tells the timeouts of IPVS"),
    ],
)
def test_what_a_node_cannot_judge_is_said(tmp_path: Path, control: str, told: str) -> None:
    more = "profiles: [conntrack]\n" if "sizing" in control else ""
    if "vars.x" in control:
        (tmp_path / "profiles").mkdir()
        profile = "profile: x\ntitle: t\nvars: {x: {default: mode, why: w}}\ncontrols:\n"
        profile += (
            f"  - {{id: x, title: t, impact: low, why: w, setting: {{sysctl: {FIN}}}, expect: {{at_least: 1}}}}\n"
        )
        (tmp_path / "profiles" / "x.yaml").write_text(profile)
        more = "profiles: [x]\n"
    facts = node(sysctls={FIN: "60"}, files=CMDLINE, processes=(process("kubelet"), kube_proxy(minor=31)))
    policy = with_checker(tmp_path, control, more=more)
    [unjudged] = [each for each in compiled(policy, facts).unjudged if each.control == "c-1"]
    assert told in unjudged.reason
    plan = planned(policy, facts)
    assert [each.reason for each in plan.kept if each.why == "unjudged" and each.control == "c-1"] == [
        f"the checker on the node cannot judge it: {unjudged.reason}"
    ]
    assert any("c-1" in risk for risk in plan.risks)


@pytest.mark.parametrize(
    ("condition", "rests"),
    [
        ("vars == host", ("later",)),
        ("conntrack.loaded", ("there", "later")),
        ("kube.distribution == 'none'", ("files", "later")),
        ("node.cores > 0 and 'nf_conntrack' in modules", ("there", "machine", "later")),
        ("boot.unknown == []", ("machine", "there", "files", "later")),
    ],
)
def test_a_verdict_rests_on_what_its_expressions_rest_on(
    tmp_path: Path, condition: str, rests: tuple[str, ...]
) -> None:
    control = f'{FIN_CONTROL}, when: "{condition} or true", skip_reason: s'
    check = the_check(compiled(with_checker(tmp_path, control), node(sysctls={FIN: "60"}, files=CMDLINE)))
    assert (set(check.rests), check.kind) == (set(rests), "number")


def test_values_that_an_expression_uses_are_compared_by_the_node(tmp_path: Path) -> None:
    control = f"setting: {{sysctl: {FIN}}}, expect: {{at_least: '{{{{ sysctl[\"{LIBERAL}\"] + 1 }}}}'}}"
    facts = node(sysctls={FIN: "60", LIBERAL: "1", RESERVED: ""}, files=CMDLINE)
    check = the_check(compiled(with_checker(tmp_path, control), facts))
    assert check.given == ((LIBERAL.replace(".", "/"), "1"),)
    assert check.expect[0].arguments == ("2",)


def test_a_key_that_was_not_there_stays_judged_only_while_it_is_not(tmp_path: Path) -> None:
    missing = node(sysctls={LIBERAL: Unavailable(Reason.NOT_LOADED, "nf_conntrack")}, files=CMDLINE)
    check = the_check(
        compiled(with_checker(tmp_path, f"setting: {{sysctl: {LIBERAL}}}, expect: {{equals: 1}}"), missing)
    )
    assert (check.kind, check.status) == ("absent", "skip")


def test_exceptions_are_held_against_the_date_of_the_node(tmp_path: Path) -> None:
    exception = "{control: c-1, hosts: web-1, reason: r, owner: o, expires: 2026-12-01}"
    other = "{control: c-1, hosts: all, reason: r, owner: o, expires: 2027-01-01}"
    policy = with_checker(tmp_path, FIN_CONTROL, more=f"exceptions: [{exception}, {other}]\n")
    check = the_check(compiled(policy, node(sysctls={FIN: "5"}, files=CMDLINE)))
    assert str(check.until) == "2027-01-01"


def test_the_demand_for_connection_tracking_is_computed_on_the_node() -> None:
    facts = node(sysctls={"net.netfilter.nf_conntrack_max": "262144"}, files=CMDLINE)
    checks = compiled(every_profile(), facts)
    assert checks.demand == (131072, 2.0, 2097152)
    busy = replace(facts, conntrack=replace(facts.conntrack, count=500_000))
    assert compiled(every_profile(), busy) == checks
    assert compiled(every_profile(), replace(facts, conntrack=replace(facts.conntrack, count=NOT_LOADED))) != checks


def test_files_that_fleet_has_written_are_watched_by_what_they_hold() -> None:
    drop_in = "/etc/systemd/system/kubelet.service.d/90-fleet.conf"
    written = "# Managed by fleet\n"
    facts = node(files={FILE: written, drop_in: written, "/etc/sysctl.d/own.conf": "a.b = 1\n"})
    facts = replace(facts, files={**facts.files, DATA: NodeFile(path=DATA, kind="file", content=written.encode())})
    files = compiled(every_profile(), facts).files
    assert (list(files), files[FILE] is not None, files[drop_in]) == ([FILE, drop_in], True, None)


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ("{every: 30s}", "at least 1m"),
        ("{every: 90}", "must be a time with its unit"),
        ("{}", "every"),
        ("{every: 5m, textfile_dir: metrics}", "an absolute path"),
        ("{every: 5m, textfile_dir: '/a/../b'}", "an absolute path"),
        ("{every: 5m, textfile_dir: '/a b'}", "an absolute path"),
    ],
)
def test_a_section_that_cannot_be_meant_is_refused(tmp_path: Path, section: str, told: str) -> None:
    with pytest.raises(DocumentError, match=told):
        playbook_of(tmp_path, FIN_CONTROL, more=f"on_node: {section}\n")


def test_systemd_has_nothing_to_say_about_the_units_and_finds_little_exposed(tmp_path: Path) -> None:
    plan = planned(with_checker(tmp_path, FIN_CONTROL), node(sysctls={FIN: "60"}, files=CMDLINE))
    paths = [tmp_path / Path(target).name for target in (SERVICE_FILE, TIMER_FILE)]
    for path in paths:
        path.write_text(str(by_target(plan)["file", f"/etc/systemd/system/{path.name}"].after))
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *paths], capture_output=True, text=True, check=False, timeout=60
    )
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")
    exposed = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=20", paths[0]],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert exposed.returncode == 0, exposed.stdout


def test_a_file_that_the_node_does_not_see_change_is_a_risk(tmp_path: Path) -> None:
    proxy = replace(kube_proxy(minor=31), config="/proc/7/root/var/lib/kube-proxy/config.conf")
    facts = node(sysctls={FIN: "60"}, files=CMDLINE, processes=(process("kubelet"), proxy))
    plan = planned(with_checker(tmp_path, FIN_CONTROL), facts)
    told = "the checker on the node does not see changes of the file that kube-proxy reads"
    assert plan.risks == (told,)
    assert f"\nunseen\t{told}\n" in str(by_target(plan)["file", DATA].after)


def test_every_metric_of_the_checker_is_explained() -> None:
    written = {name.decode() for name in re.findall(rb'family\("(\w+)"', checker_script())}
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert written == set(re.findall(r"`(fleet_node_\w+)`", page))
