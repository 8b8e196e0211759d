"""What is planned where something else writes a key, and what a plan warns of and depends on."""

from pathlib import Path

import pytest
from support.facts import IDENTITY
from support.kernel import node, process
from support.plans import (
    BUCKETS,
    CMDLINE,
    ESTABLISHED,
    FILE,
    FIN,
    LIBERAL,
    MAX,
    MODULES,
    RANGE,
    RESERVED,
    applied,
    by_target,
    files,
    judged,
    plan_of,
    plan_text,
    planned,
    playbook_of,
    refusal,
    shipped_playbook,
    values,
)
from support.probe import captured_facts
from support.writers import kube_proxy, sized

from fleet.model.facts import NodeFacts
from fleet.plan import NodePlan


def fin(tmp_path: Path, facts: NodeFacts, more: str = "set: 50") -> NodePlan:
    return planned(playbook_of(tmp_path, f"setting: {{sysctl: {FIN}}}, expect: {{at_least: 30}}, {more}"), facts)


ESTABLISHED_CONTROL = f"setting: {{sysctl: {ESTABLISHED}}}, expect: {{equals: 7440}}, set: 7440"


def test_where_k3s_writes_a_key_its_configuration_is_changed_and_the_operators_arguments_stay(tmp_path: Path) -> None:
    config = "kube-proxy-arg:\n  - proxy-mode=iptables\n"
    facts = node(
        sysctls={ESTABLISHED: "86400"},
        files={**MODULES, **CMDLINE, "/etc/rancher/k3s/config.yaml": config},
        processes=(process("k3s-server", "server"),),
    )
    plan = planned(playbook_of(tmp_path, ESTABLISHED_CONTROL), facts)
    snippet = "/etc/rancher/k3s/config.yaml.d/zz-fleet.yaml"
    assert snippet in files(plan)
    assert 'kube-proxy-arg+:\n  - "conntrack-tcp-timeout-established=7440s"\n' in str(
        by_target(plan)["file", snippet].after
    )
    assert values(plan) == {("sysctl", ESTABLISHED): "7440"}
    assert any("k3s reads it when it starts again" in risk for risk in plan.risks)
    done = applied(facts, plan)
    [state] = judged(playbook_of(tmp_path, ESTABLISHED_CONTROL), done).settings
    assert state.after_reboot == "7440"
    assert plan.preconditions is not None
    assert plan.preconditions.writers == (f"{ESTABLISHED}: k3s at service start: sets it to 86400",)


def test_a_second_k3s_setting_joins_the_first(tmp_path: Path) -> None:
    close_wait = "net.netfilter.nf_conntrack_tcp_timeout_close_wait"
    facts = node(
        sysctls={ESTABLISHED: "86400", close_wait: "3600"},
        files={**MODULES, **CMDLINE},
        processes=(process("k3s-server", "server"),),
    )
    done = applied(facts, planned(playbook_of(tmp_path, ESTABLISHED_CONTROL), facts))
    second = f"setting: {{sysctl: {close_wait}}}, expect: {{equals: 60}}, set: 60"
    plan = planned(playbook_of(tmp_path, second), done)
    both = playbook_of(tmp_path, ESTABLISHED_CONTROL, second)
    assert [each.status for each in judged(both, applied(done, plan)).findings] == ["pass", "pass"]


def test_a_file_of_somebody_else_under_the_name_of_the_snippet_is_not_overwritten(tmp_path: Path) -> None:
    own = {
        "/etc/rancher/k3s/config.yaml.d/zz-fleet.yaml": "kube-proxy-arg+: [proxy-mode=iptables]\nnode-name: (masked)\n"
    }
    facts = node(
        sysctls={ESTABLISHED: "86400"},
        files={**MODULES, **CMDLINE, **own},
        processes=(process("k3s-server", "server"),),
    )
    assert "give the rest a file of its own" in refusal(planned(playbook_of(tmp_path, ESTABLISHED_CONTROL), facts))


def test_where_kube_proxy_writes_a_key_the_remedy_is_in_the_cluster_and_nothing_is_pretended(tmp_path: Path) -> None:
    proxy_file = "/var/lib/kube-proxy/config.conf"
    facts = sized(
        node(
            sysctls={ESTABLISHED: "86400"},
            files={**MODULES, **CMDLINE, proxy_file: "kind: KubeProxyConfiguration\n"},
            processes=(kube_proxy(f"--config={proxy_file}", minor=31),),
        )
    )
    plan = planned(playbook_of(tmp_path, ESTABLISHED_CONTROL), facts)
    assert (plan.changes, plan.refused) == ((), ())
    [remedy] = plan.remedies
    assert remedy.target == ESTABLISHED
    assert "conntrack:\n  tcpEstablishedTimeout: 7440s\n" in remedy.patch
    assert "ConfigMap" in remedy.text


def test_a_writer_that_takes_no_other_value_makes_the_plan_refuse(tmp_path: Path) -> None:
    key = "vm.overcommit_memory"
    policy = playbook_of(tmp_path, f"setting: {{sysctl: {key}}}, expect: {{equals: 0}}, set: 0")
    facts = node(sysctls={key: "1"}, files=CMDLINE, processes=(process("kubelet"),))
    assert "which would undo the change" in refusal(planned(policy, facts))


def test_turning_be_liberal_off_where_nothing_else_protects_is_refused(tmp_path: Path) -> None:
    policy = playbook_of(tmp_path, f"setting: {{sysctl: {LIBERAL}}}, expect: {{equals: 0}}, set: 0")
    plan = planned(policy, node(sysctls={LIBERAL: "1"}, kept=True))
    assert "would then be without" in refusal(plan)


def test_risks_are_named(tmp_path: Path) -> None:
    policy = playbook_of(
        tmp_path,
        f"setting: {{sysctl: {MAX}}}, expect: {{at_least: 524288}}, set: 524288",
        f"setting: {{sysctl: {ESTABLISHED}}}, expect: {{at_most: 86400}}, set: 86400",
        f"setting: {{sysctl: {LIBERAL}}}, expect: {{equals: 1}}, set: 1",
        f'setting: {{sysctl: {RANGE}}}, expect: {{equals: "20000 60999"}}, set: "20000 60999"',
    )
    facts = node(
        sysctls={MAX: "262144", ESTABLISHED: "432000", LIBERAL: "0", RANGE: "32768 60999", RESERVED: ""},
        files={**MODULES, **CMDLINE},
        processes=(kube_proxy("--conntrack-max-per-core=0", minor=31), process("kubelet")),
    )
    risks = "\n".join(planned(policy, facts).risks)
    assert "524,288 instead of 262,144 takes 64 MiB more kernel memory when the table is full" in risks
    assert "live connections feel the shorter time, 86400 seconds instead of 432000" in risks
    assert "starts without its INVALID rule" in risks
    assert "may still take the NodePorts 30000-32767" in risks


def test_preconditions_hold_hashes_live_values_and_the_boot(tmp_path: Path) -> None:
    facts = node(sysctls={FIN: "5"}, files={"/etc/sysctl.d/50-a.conf": "", "/etc/hosts": "x", **CMDLINE})
    held = fin(tmp_path, facts).preconditions
    assert held is not None
    assert held.boot_id == IDENTITY.boot_id
    assert held.live == {FIN: "5"}
    assert {
        path: (state.kind, state.sha256 and state.sha256[:8], state.masked) for path, state in held.files.items()
    } == {
        "/etc/sysctl.d/50-a.conf": ("file", "e3b0c442", False),
        FILE: ("absent", None, False),
        "/proc/cmdline": ("file", held.files["/proc/cmdline"].sha256[:8], True),  # type: ignore[index]
    }


def test_the_shipped_playbook_plans_a_bare_node_and_then_nothing() -> None:
    policy = shipped_playbook()
    facts = node(
        sysctls={LIBERAL: "0", MAX: "65536", BUCKETS: "16384", ESTABLISHED: "600", FIN: "200", RANGE: "32768 60999"},
        files={**MODULES, **CMDLINE},
    )
    plan = planned(policy, facts)
    assert plan.refused == ()
    assert {target for kind, target in values(plan)} == {LIBERAL, MAX, BUCKETS, ESTABLISHED, FIN}
    again = planned(policy, applied(facts, plan))
    assert (again.changes, again.refused, again.remedies) == ((), (), ())


def test_the_table_grows_before_the_limit_and_ports_are_set_aside_before_they_are_offered(tmp_path: Path) -> None:
    policy = playbook_of(
        tmp_path,
        f"setting: {{sysctl: {MAX}}}, expect: {{at_least: 524288}}, set: 524288",
        f'setting: {{sysctl: {RANGE}}}, expect: {{equals: "20000 60999"}}, set: "20000 60999"',
        f'setting: {{sysctl: {RESERVED}}}, expect: {{covers: "30000-32767"}}, set: "30000-32767"',
        f"setting: {{sysctl: {BUCKETS}}}, expect: {{at_least: 524288}}, set: 524288",
    )
    facts = node(
        sysctls={MAX: "262144", BUCKETS: "65536", RANGE: "32768 60999", RESERVED: ""}, files={**MODULES, **CMDLINE}
    )
    assert [target for _, target in values(planned(policy, facts))] == [RESERVED, BUCKETS, MAX, RANGE]


@pytest.mark.parametrize("name", ["dash-root", "bash-root", "busybox-root", "dash-user"])
def test_a_captured_node_is_planned_once_and_without_its_secrets(name: str) -> None:
    facts = captured_facts(name)
    plan = planned(shipped_playbook(), facts)
    assert {("sysctl", "kernel.panic"), ("file", FILE)} <= by_target(plan).keys()
    again = planned(shipped_playbook(), applied(facts, plan))
    assert again.changes == ()
    assert {each.target for each in again.refused} <= {each.target for each in plan.refused}
    assert "(masked)" not in plan_text(plan_of({"node": plan}))
