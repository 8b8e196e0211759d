"""What is planned for units: the timeouts of IPVS, drop-ins, and restarts."""

from dataclasses import replace
from pathlib import Path

import pytest
from support.facts import IDENTITY
from support.kernel import node, process
from support.plans import (
    CMDLINE,
    ESTABLISHED,
    FILE,
    FIN,
    LIBERAL,
    MAX,
    MODULES,
    applied,
    by_target,
    files,
    judged,
    planned,
    playbook_of,
    refusal,
)
from support.writers import kube_proxy

from fleet.model.facts import Ipvs, IpvsTimeouts, NodeFacts, Sysctl
from fleet.plan import NodePlan
from fleet.policy import Policy

UNIT = "/etc/systemd/system/fleet-ipvs-timeouts.service"
LINK = "/etc/systemd/system/multi-user.target.wants/fleet-ipvs-timeouts.service"
KUBELET = {"/usr/lib/systemd/system/kubelet.service": "[Service]\nExecStart=/usr/bin/kubelet\n"}
DROP_IN = "/etc/systemd/system/kubelet.service.d/90-fleet.conf"
LIBERAL_CONTROL = f"setting: {{sysctl: {LIBERAL}}}, expect: {{equals: 1}}, set: 1"
MAX_CONTROL = f"setting: {{sysctl: {MAX}}}, expect: {{at_least: 131072}}, set: 262144"
DROP_IN_CONTROL = "setting: {drop_in: kubelet}, expect: {exists: true}"


def ipvs(tcp: int, tcp_fin: int = 120, udp: int = 300) -> Ipvs:
    return Ipvs(timeouts=IpvsTimeouts(tcp=tcp, tcp_fin=tcp_fin, udp=udp), services=3, connections=7)


def ipvs_node(tcp: int = 900, *options: str, more: dict[str, str] | None = None, **overrides: object) -> NodeFacts:
    proxy = kube_proxy("--proxy-mode=ipvs", *options, minor=31)
    fields: dict[str, object] = {"processes": (process("kubelet"), proxy), "ipvs": ipvs(tcp)}
    return node(files=CMDLINE | (more or {}), **(fields | overrides))


def tcp_timeout(tmp_path: Path, more: str = "set: 7440") -> Policy:
    return playbook_of(tmp_path, f"setting: {{ipvs: tcp_timeout}}, expect: {{at_least: 7440}}, {more}")


def units(plan: NodePlan) -> list[tuple[str, str | None, str | None]]:
    return [(each.target, each.before, each.after) for each in plan.changes if each.kind == "unit"]


def drop_in_playbook(tmp_path: Path, *controls: str, restart: str = "") -> Policy:
    more = f"rollout: {{restart: [{restart}]}}\n" if restart else ""
    return playbook_of(tmp_path, *controls, DROP_IN_CONTROL, more=more)


def test_timeouts_of_ipvs_are_kept_by_a_unit_that_is_enabled_last(tmp_path: Path) -> None:
    policy, facts = tcp_timeout(tmp_path), ipvs_node()
    plan = planned(policy, facts)
    assert [(each.kind, each.target) for each in plan.changes] == [
        ("file", UNIT),
        ("unit", "fleet-ipvs-timeouts.service"),
    ]
    assert units(plan) == [("fleet-ipvs-timeouts.service", "not enabled", "enabled")]
    text = str(by_target(plan)["file", UNIT].after)
    assert "\nExecStart=/sbin/ipvsadm --set 7440 0 0\n" in text
    assert "\nExecStop=-/sbin/ipvsadm --set 900 120 300\n" in text
    after = applied(facts, plan)
    assert [each.status for each in judged(policy, after).findings] == ["pass"]
    [state] = judged(policy, after).settings
    assert (state.key, state.live, state.boot, state.after_reboot) == ("ipvs.tcp_timeout", "7440", "7440", "7440")
    assert state.boot_source is not None
    assert state.boot_source.path == UNIT
    assert planned(policy, after).changes == ()


def test_a_timeout_that_was_set_by_hand_gets_a_unit_with_that_value(tmp_path: Path) -> None:
    plan = planned(tcp_timeout(tmp_path), ipvs_node(8000))
    assert "--set 8000 0 0\n" in str(by_target(plan)["file", UNIT].after)


def test_a_timeout_that_slipped_after_the_boot_restarts_the_unit_alone(tmp_path: Path) -> None:
    policy = tcp_timeout(tmp_path)
    facts = applied(ipvs_node(), planned(policy, ipvs_node()))
    plan = planned(policy, replace(facts, ipvs=ipvs(900)))
    assert [each.kind for each in plan.changes] == ["unit"]
    assert units(plan) == [("fleet-ipvs-timeouts.service", "running", "restarted")]


def test_a_second_timeout_joins_the_first_in_the_unit(tmp_path: Path) -> None:
    facts = applied(ipvs_node(), planned(tcp_timeout(tmp_path), ipvs_node()))
    policy = playbook_of(tmp_path, "setting: {ipvs: udp_timeout}, expect: {at_least: 400}, set: 400")
    plan = planned(policy, facts)
    assert "--set 7440 0 400\n" in str(by_target(plan)["file", UNIT].after)
    assert units(plan) == [("fleet-ipvs-timeouts.service", "running", "restarted")]


def test_a_kube_proxy_that_sets_the_timeout_is_remedied_in_the_cluster(tmp_path: Path) -> None:
    path = "/var/lib/kube-proxy/config.conf"
    config = {path: "kind: KubeProxyConfiguration\nmode: ipvs\nipvs: {tcpTimeout: 900s}\n"}
    proxy = kube_proxy(f"--config={path}", minor=31)
    plan = planned(tcp_timeout(tmp_path), ipvs_node(more=config, processes=(process("kubelet"), proxy)))
    assert (plan.changes, plan.refused) == ((), ())
    [remedy] = plan.remedies
    assert "ipvs:\n  tcpTimeout: 7440s\n" in remedy.patch
    assert "(0s leaves it to the node)" in remedy.text


def test_a_k3s_that_sets_the_timeout_is_told_another_one(tmp_path: Path) -> None:
    config = {"/etc/rancher/k3s/config.yaml": "kube-proxy-arg: [proxy-mode=ipvs, ipvs-tcp-timeout=900s]\n"}
    facts = ipvs_node(more=config, processes=(process("k3s-server", "server"),))
    plan = planned(tcp_timeout(tmp_path), facts)
    snippet = by_target(plan)["file", "/etc/rancher/k3s/config.yaml.d/zz-fleet.yaml"]
    assert '"ipvs-tcp-timeout=7440s"' in str(snippet.after)
    assert [each.status for each in judged(tcp_timeout(tmp_path), applied(facts, plan)).findings] == ["pass"]


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        (ipvs_node(identity=replace(IDENTITY, init="init")), "only a unit of systemd keeps the timeouts of IPVS"),
        (ipvs_node(more={UNIT: "[Service]\n"}), "is a file of somebody else"),
        (ipvs_node(programs={"modprobe": "/sbin/modprobe"}), "the node has no ipvsadm"),
        (
            ipvs_node(
                more={
                    "/etc/systemd/system/own.service": "[Service]\nExecStart=/sbin/ipvsadm --set 900 0 0\n",
                    "/etc/systemd/system/multi-user.target.wants/own.service": "",
                }
            ),
            "which of these units comes last is not known",
        ),
    ],
)
def test_timeouts_that_would_not_last_are_refused(tmp_path: Path, facts: NodeFacts, told: str) -> None:
    assert told in refusal(planned(tcp_timeout(tmp_path), facts))


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("set: '{{ node.cores * 1000000 }}'", "out of bounds: 1 to 2147483"),
        ("set: '{{ node.hostname }}'", "what would be written is refused"),
    ],
)
def test_a_computed_timeout_is_held_against_what_the_kernel_takes(tmp_path: Path, setting: str, told: str) -> None:
    assert told in refusal(planned(tcp_timeout(tmp_path, setting), ipvs_node()))


def test_preconditions_of_a_unit_hold_its_files_and_no_live_value_that_a_shell_cannot_read(tmp_path: Path) -> None:
    held = planned(tcp_timeout(tmp_path), ipvs_node()).preconditions
    assert held is not None
    assert held.live == {}
    assert (held.files[UNIT].kind, held.files[LINK].kind) == ("absent", "absent")


def test_a_drop_in_sets_the_keys_of_modules_and_only_those(tmp_path: Path) -> None:
    fin = f"setting: {{sysctl: {FIN}}}, expect: {{at_least: 30}}, set: 50"
    policy = drop_in_playbook(tmp_path, LIBERAL_CONTROL, MAX_CONTROL, fin)
    facts = node(
        sysctls={LIBERAL: "0", MAX: "262144", FIN: "5"},
        files={**MODULES, **CMDLINE, **KUBELET, "/etc/sysctl.d/10-a.conf": f"{MAX} = 262144\n"},
        processes=(process("kubelet"),),
    )
    plan = planned(policy, facts)
    text = str(by_target(plan)["file", DROP_IN].after)
    assert [line for line in text.splitlines() if line.startswith("Exec")] == [
        "ExecStartPre=-/sbin/modprobe nf_conntrack",
        f'ExecStartPre=-/sbin/sysctl -w "{LIBERAL}=1"',
        f'ExecStartPre=-/sbin/sysctl -w "{MAX}=262144"',
    ]
    assert files(plan)[-1] == DROP_IN
    assert units(plan) == []
    assert f"{DROP_IN}: kubelet reads it when it starts again" in plan.risks
    after = applied(facts, plan)
    assert {each.status for each in judged(policy, after).findings} == {"pass"}
    assert planned(policy, after).changes == ()
    assert plan.preconditions is not None
    assert {"/usr/lib/systemd/system/kubelet.service", DROP_IN} <= plan.preconditions.files.keys()


def test_a_drop_in_calls_programs_where_the_node_has_them(tmp_path: Path) -> None:
    programs = {"sysctl": "/usr/sbin/sysctl", "modprobe": "/bin/modprobe"}
    facts = node(sysctls={LIBERAL: "0"}, files={**MODULES, **CMDLINE, **KUBELET}, programs=programs)
    text = str(by_target(planned(drop_in_playbook(tmp_path, LIBERAL_CONTROL), facts))["file", DROP_IN].after)
    assert "\nExecStartPre=-/bin/modprobe nf_conntrack\n" in text
    assert f'\nExecStartPre=-/usr/sbin/sysctl -w "{LIBERAL}=1"\n' in text


@pytest.mark.parametrize(
    ("more", "overrides"),
    [
        ({}, {}),
        ({"/etc/systemd/system/kubelet.service": "-> /dev/null"}, {}),
        (KUBELET, {"identity": replace(IDENTITY, init="init")}),
    ],
)
def test_a_node_without_the_unit_gets_no_drop_in(
    tmp_path: Path, more: dict[str, str], overrides: dict[str, object]
) -> None:
    facts = node(sysctls={LIBERAL: "1"}, files={**MODULES, **CMDLINE, **more}, **overrides)
    plan = planned(playbook_of(tmp_path, DROP_IN_CONTROL), facts)
    assert plan.changes == plan.refused == ()
    assert [(each.target, each.why, each.reason) for each in plan.kept] == [
        ("kubelet.service", "skipped", "kubelet.service is not on this node")
    ]


@pytest.mark.parametrize(
    ("more", "overrides", "told"),
    [
        ({DROP_IN: "[Service]\n"}, {}, "is a file of somebody else"),
        ({}, {"programs": {"sysctl": "/sbin/sysctl"}}, "the node has no modprobe"),
    ],
)
def test_a_drop_in_that_cannot_be_written_holds_up_nothing_else(
    tmp_path: Path, more: dict[str, str], overrides: dict[str, object], told: str
) -> None:
    facts = node(sysctls={LIBERAL: "0"}, files={**MODULES, **CMDLINE, **KUBELET, **more}, **overrides)
    plan = planned(drop_in_playbook(tmp_path, LIBERAL_CONTROL), facts)
    assert [each.target for each in plan.refused] == ["kubelet.service"]
    assert told in plan.refused[0].reason
    assert files(plan) == [FILE]


def test_an_operators_own_lines_content_the_control(tmp_path: Path) -> None:
    own = {"/etc/systemd/system/kubelet.service.d/own.conf": f"[Service]\nExecStartPre=-/sbin/sysctl {LIBERAL}=1\n"}
    facts = node(sysctls={LIBERAL: "1"}, files={**MODULES, **CMDLINE, **KUBELET, **own}, kept=True)
    plan = planned(drop_in_playbook(tmp_path, LIBERAL_CONTROL), facts)
    assert (plan.changes, plan.refused) == ((), ())


def test_a_drop_in_of_an_earlier_plan_follows_a_value_that_changes(tmp_path: Path) -> None:
    facts = node(sysctls={MAX: "65536"}, files={**MODULES, **CMDLINE, **KUBELET}, processes=(process("kubelet"),))
    done = applied(facts, planned(drop_in_playbook(tmp_path, MAX_CONTROL), facts))
    more = f"setting: {{sysctl: {MAX}}}, expect: {{at_least: 524288}}, set: 524288"
    policy = playbook_of(tmp_path, more)
    plan = planned(policy, done)
    assert f'"{MAX}=524288"' in str(by_target(plan)["file", DROP_IN].after)
    assert planned(policy, applied(done, plan)).changes == ()


def test_a_drop_in_is_not_written_anew_for_the_header_of_another_playbook(tmp_path: Path) -> None:
    facts = node(sysctls={MAX: "65536"}, files={**MODULES, **CMDLINE, **KUBELET}, processes=(process("kubelet"),))
    done = applied(facts, planned(drop_in_playbook(tmp_path, MAX_CONTROL), facts))
    other = replace(playbook_of(tmp_path, MAX_CONTROL), name="Another playbook")
    assert planned(other, done).changes == ()


def test_a_line_of_somebody_elses_unit_that_would_take_the_value_back_is_named(tmp_path: Path) -> None:
    path = "/etc/systemd/system/kubelet.service.d/own.conf"
    own = {path: f"[Service]\nExecStartPre=-/sbin/sysctl -w {LIBERAL}=0\n"}
    facts = node(
        sysctls={LIBERAL: "0"}, files={**MODULES, **CMDLINE, **KUBELET, **own}, processes=(process("kubelet"),)
    )
    reason = refusal(planned(playbook_of(tmp_path, LIBERAL_CONTROL), facts))
    assert f"kubelet.service sets it to 0, which would undo the change. Write {LIBERAL}=1 into {path}" in reason


def test_a_service_is_restarted_last_where_the_playbook_names_it(tmp_path: Path) -> None:
    policy = drop_in_playbook(tmp_path, LIBERAL_CONTROL, restart="kubelet, k3s")
    facts = node(sysctls={LIBERAL: "0"}, files={**MODULES, **CMDLINE, **KUBELET}, processes=(process("kubelet"),))
    plan = planned(policy, facts)
    assert units(plan) == [("kubelet.service", "running", "restarted")]
    assert plan.changes[-1].kind == "unit"
    assert any(risk.startswith("kubelet is restarted: its pods keep running") for risk in plan.risks)
    assert not any("when it starts again" in risk for risk in plan.risks)
    assert planned(policy, applied(facts, plan)).changes == ()


def test_a_service_that_does_not_run_is_not_started(tmp_path: Path) -> None:
    policy = drop_in_playbook(tmp_path, LIBERAL_CONTROL, restart="kubelet")
    plan = planned(policy, node(sysctls={LIBERAL: "0"}, files={**MODULES, **CMDLINE, **KUBELET}))
    assert units(plan) == []


@pytest.mark.parametrize(
    ("name", "role", "unit"),
    [
        ("k3s-server", "server", "k3s"),
        ("k3s-agent", "agent", "k3s-agent"),
        ("k3s", "agent", "k3s-agent"),
        ("rke2", "server", "rke2-server"),
        ("rke2", "agent", "rke2-agent"),
    ],
)
def test_the_service_that_reads_a_file_of_rancher_is_the_one_that_runs(
    tmp_path: Path, name: str, role: str, unit: str
) -> None:
    established = f"setting: {{sysctl: {ESTABLISHED}}}, expect: {{equals: 7440}}, set: 7440"
    policy = playbook_of(tmp_path, established, more=f"rollout: {{restart: [{unit}]}}\n")
    facts = node(sysctls={ESTABLISHED: "86400"}, files={**MODULES, **CMDLINE}, processes=(process(name, role),))
    assert units(planned(policy, facts)) == [(f"{unit}.service", "running", "restarted")]
    other = playbook_of(tmp_path, established, more="rollout: {restart: [kubelet]}\n")
    plan = planned(other, facts)
    assert units(plan) == []
    assert any(f"{unit} reads it when it starts again" in risk for risk in plan.risks)


def test_a_drop_in_that_lacks_only_what_is_refused_is_written_once_also_where_it_is_masked(tmp_path: Path) -> None:
    policy = replace(drop_in_playbook(tmp_path, LIBERAL_CONTROL, MAX_CONTROL), name="A key: secret=planted")
    facts = node(sysctls={LIBERAL: "0", MAX: "65536"}, files={**MODULES, **CMDLINE, **KUBELET})
    closed = replace(facts, sysctls={**facts.sysctls, MAX: Sysctl(key=MAX, value="65536", writable=False)})
    done = applied(closed, planned(policy, closed))
    kept = done.files[DROP_IN].content
    assert kept is not None
    assert b"planted" not in kept
    plan = planned(policy, done)
    assert plan.changes == ()
    assert [each.target for each in plan.refused] == [MAX]
    assert ("kubelet.service", "noop") in {(each.target, each.why) for each in plan.kept}
