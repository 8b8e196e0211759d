"""Which parts of a node a control rests on, and what becomes of a verdict where testinfra could not read one."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from support.facts import node_facts
from support.verify import TODAY, WEB, host_of_facts, playbook

from fleet.model.facts import InvalidRule, NodeFacts, NodeProcess
from fleet.model.finding import Finding
from fleet.policy import load_playbook
from fleet.verify.independent import Reading
from fleet.verify.rests import Part, rests_on
from fleet.verify.suite import Node

FIN = "net.ipv4.tcp_fin_timeout"
LIVE = f"setting: {{sysctl: {FIN}}}\nexpect: {{at_least: 15}}\nstate: live"
LIBERAL = "net.netfilter.nf_conntrack_tcp_be_liberal"
BOOT = {"node", "conntrack", "modules", "processes", "files"}
PLAYBOOKS = Path(__file__).parents[3] / "playbooks"
RULE = InvalidRule(backend="iptables-nft", text="-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP")
PROXY = NodeProcess(pid=7, name="kube-proxy", arguments=("kube-proxy", "--proxy-mode=iptables"))
KUBELET = NodeProcess(pid=8, name="kubelet", arguments=("kubelet",))


@pytest.mark.parametrize(
    ("control", "parts"),
    [
        (LIVE, set()),
        (f"setting: {{sysctl: {FIN}}}\nexpect: {{at_least: 15}}", BOOT),
        (f"{LIVE}\nwhen: conntrack.loaded\nskip_reason: no", {"conntrack"}),
        (f"{LIVE}\nwhen: sysctl['net.core.a'] == 1\nskip_reason: no", {"sysctl"}),
        (
            "setting: {module: ip_vs}\nexpect: {loaded: true}\nwhen: ipvs.in_use\nskip_reason: no",
            {"ipvs", "processes", "files"},
        ),
        ("setting: {fact: protection.now.status}\nexpect: {equals: x}", {*BOOT, "firewall"}),
        ("setting: {fact: kube.invalid_rule}\nexpect: {equals: true}", {"processes", "files", "firewall"}),
        ("setting: {fact: ports.ephemeral_count}\nexpect: {at_least: 1}", {"ports"}),
        ("setting: {file: /etc/motd}\nexpect: {exists: true}", set()),
        ("setting: {drop_in: kubelet}\nexpect: {exists: true}", BOOT),
    ],
)
def test_a_control_rests_on_what_its_expressions_and_states_need(
    tmp_path: Path, control: str, parts: set[Part]
) -> None:
    [one] = playbook(tmp_path, control).controls
    assert rests_on(one) == parts


def findings(facts: NodeFacts, unread: Mapping[Part, str], *controls: str) -> list[Finding]:
    policy = load_playbook(PLAYBOOKS / "stop-conntrack-resets.yaml")
    node = Node(policy, WEB, Reading(facts=facts, unread=unread), host_of_facts(facts), TODAY)
    known = {control.id: control for control in policy.controls}
    return [node.hold(known[each]).finding for each in controls]


def test_a_good_verdict_on_what_testinfra_has_not_read_is_refused_in_words() -> None:
    facts = node_facts(sysctls={"net.ipv4.ip_local_port_range": "32768 60999", "net.ipv4.ip_local_reserved_ports": ""})
    [alone] = findings(facts, {}, "ports-enough")
    [refused, other] = findings(facts, {"ports": "no ss"}, "ports-enough", "conntrack-boot-known")
    assert (alone.status, refused.status, other.status) == ("pass", "skip", "pass")
    assert refused.reason == "not verified independently: testinfra cannot read the listening sockets: no ss"


def test_a_bad_verdict_stays_whoever_has_read_it() -> None:
    facts = node_facts(sysctls={"net.ipv4.ip_local_port_range": "60000 60999", "net.ipv4.ip_local_reserved_ports": ""})
    assert [each.status for each in findings(facts, {"ports": "no ss"}, "ports-enough")] == ["fail"]


def test_rules_of_the_firewall_that_make_no_difference_need_not_be_read() -> None:
    by_rule = node_facts(sysctls={LIBERAL: "0"}, processes=(PROXY, KUBELET), invalid_rules=(RULE,))
    by_key = node_facts(sysctls={LIBERAL: "1"}, processes=(PROXY, KUBELET), invalid_rules=(RULE,))
    none = replace(by_rule, invalid_rules=())
    unread: Mapping[Part, str] = {"firewall": "no module"}
    for facts, alone, refused in ((by_rule, "pass", "skip"), (by_key, "pass", "pass"), (none, "fail", "fail")):
        assert [each.status for each in findings(facts, {}, "conntrack-invalid-protection")] == [alone]
        assert [each.status for each in findings(facts, unread, "conntrack-invalid-protection")] == [refused]
