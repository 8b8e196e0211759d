"""Verdicts over the facts of one node."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from support.facts import ABSENT, CONNTRACK, IDENTITY, NEEDS_ROOT, NOT_LOADED, kept_at_boot, node_facts

from fleet.kernel.catalogue import KEYS
from fleet.model.facts import (
    Ipvs,
    IpvsTimeouts,
    Listener,
    NodeFacts,
    NodeFile,
    NodeProcess,
    Reason,
    Unavailable,
)
from fleet.model.finding import Finding, SettingState, Source
from fleet.policy.control import Policy
from fleet.policy.evaluate import evaluate, needed_files, needed_keys
from fleet.policy.host import HostView
from fleet.policy.playbook import load_playbook

DATA = Path(__file__).parents[2] / "data" / "policy"
PLAYBOOKS = Path(__file__).parents[3] / "playbooks"
LIBERAL = "net.netfilter.nf_conntrack_tcp_be_liberal"
MAX = "net.netfilter.nf_conntrack_max"
FIN = "net.ipv4.tcp_fin_timeout"
SO_AT_BOOT = "the next boot leaves it so (set by /etc/sysctl.d/60-node.conf"
GOOD: Mapping[str, str | int | Unavailable] = {LIBERAL: 1, MAX: 262_144, FIN: 60}
TODAY = date(2026, 11, 20)


def audit(
    policy: Policy, facts: NodeFacts, *, host: str = "web-1", today: date = TODAY
) -> tuple[dict[str, tuple[str, str]], dict[str, SettingState]]:
    view = HostView(name=host, groups=(), data={"role": "web"}, address="10.0.0.1")
    done = evaluate(policy, facts, host=view, today=today)
    findings, states = done.findings, done.settings
    assert [finding.control for finding in findings] == [control.id for control in policy.controls]
    return _by_control(findings), {state.key: state for state in states}


def conf(path: str, text: str) -> NodeFile:
    return NodeFile(path=path, kind="file", content=text.encode())


def _by_control(findings: tuple[Finding, ...]) -> dict[str, tuple[str, str]]:
    return {finding.control: (finding.status, finding.reason) for finding in findings}


def small(facts: NodeFacts, *, host: str = "web-1", today: date = TODAY) -> dict[str, tuple[str, str]]:
    return audit(load_playbook(DATA / "playbook.yaml"), facts, host=host, today=today)[0]


def one_control(tmp_path: Path, setting: str, expect: str, more: str = "") -> Policy:
    (tmp_path / "play.yaml").write_text(
        "name: n\ncontrols:\n"
        f"  - {{id: c, title: t, impact: low, setting: {setting}, expect: {expect}, why: w{more}}}\n"
    )
    return load_playbook(tmp_path / "play.yaml")


def verdict(tmp_path: Path, facts: NodeFacts, setting: str, expect: str, more: str = "") -> tuple[str, str]:
    return audit(one_control(tmp_path, setting, expect, more), facts)[0]["c"]


def test_a_node_as_it_should_be_passes() -> None:
    assert small(node_facts(sysctls=GOOD)) == {
        "liberal": ("pass", "is 1"),
        "table": ("pass", "is 262144"),
        "fin": ("pass", "is 60; pods keep their own value"),
        "usage": ("pass", "is 0.3815"),
    }


def test_violations_say_what_is_and_what_was_expected() -> None:
    facts = node_facts(sysctls={LIBERAL: 0, MAX: 65_536, FIN: -1}, conntrack=replace(CONNTRACK, count=250_000))
    assert small(facts) == {
        "liberal": ("fail", f"is 0, expected 1; {SO_AT_BOOT}:1)"),
        "table": ("fail", f"is 65536, expected at least 196608; {SO_AT_BOOT}:2)"),
        "fin": ("fail", f"is -1, expected 5 to 120; {SO_AT_BOOT}:3); pods keep their own value"),
        "usage": ("fail", "is 95.37, expected 90 or less"),
    }


def test_a_preference_that_is_not_met_warns() -> None:
    facts = node_facts(sysctls={**GOOD, MAX: 200_000}, conntrack=replace(CONNTRACK, count=200_000))
    found = small(facts)
    assert found["table"] == ("warn", f"is 200000, preferred at least 262144; {SO_AT_BOOT}:2)")
    assert found["usage"] == ("warn", "is 76.29, preferred 75 or less")


def test_a_condition_that_is_false_skips_with_its_reason() -> None:
    conntrack = replace(CONNTRACK, count=Unavailable(Reason.NOT_LOADED, "nf_conntrack"))
    assert small(node_facts(sysctls=GOOD, conntrack=conntrack))["liberal"] == ("skip", "nf_conntrack is not loaded")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (NEEDS_ROOT, "not checked: needs root"),
        (Unavailable(Reason.UNREADABLE), "not checked: unreadable"),
        (Unavailable(Reason.NOT_LOADED, "nf_conntrack"), "not checked: the module nf_conntrack is not loaded"),
        (ABSENT, f"not checked: this kernel has no {MAX}"),
    ],
)
def test_a_value_that_could_not_be_read_is_skipped_and_never_judged(value: Unavailable, reason: str) -> None:
    assert small(node_facts(sysctls={**GOOD, MAX: value}))["table"] == ("skip", reason)


def test_a_key_outside_the_catalogue_that_no_kernel_has_is_an_error(tmp_path: Path) -> None:
    found = verdict(tmp_path, node_facts(sysctls={"a.b": ABSENT}), "{sysctl: a.b}", "{equals: 1}", ", scope: host")
    assert found == ("error", "this kernel has no a.b: check the name of the key")


def test_a_fact_that_needs_root_skips_what_uses_it() -> None:
    conntrack = replace(CONNTRACK, max=NEEDS_ROOT)
    assert small(node_facts(sysctls=GOOD, conntrack=conntrack))["usage"] == ("skip", "not checked: needs root")


def test_an_expression_that_gives_no_value_is_an_error(tmp_path: Path) -> None:
    found = verdict(tmp_path, node_facts(sysctls=GOOD), f"{{sysctl: {FIN}}}", '{at_most: "{{ host.limit }}"}')
    assert found == ("error", "'host.limit' gives no value: there is no field 'limit'")


def test_an_operand_of_the_wrong_kind_is_an_error(tmp_path: Path) -> None:
    found = verdict(tmp_path, node_facts(sysctls=GOOD), f"{{sysctl: {FIN}}}", '{at_most: "{{ host.role }}"}')
    assert found == ("error", "web is not a number")


def test_states_show_live_and_expected_for_each_key() -> None:
    facts = node_facts(sysctls={LIBERAL: 0, MAX: NEEDS_ROOT, FIN: 60})
    _, states = audit(load_playbook(DATA / "playbook.yaml"), facts)
    assert {key: (state.live, state.expected, state.scope) for key, state in states.items()} == {
        LIBERAL: ("0", "1", "host-namespace"),
        MAX: (None, "at least 196608", "host"),
        FIN: ("60", "5 to 120", "namespace"),
    }


def test_states_show_the_next_boot_with_the_line_that_decides_and_those_that_do_not() -> None:
    files = {
        **kept_at_boot({LIBERAL: 1}),
        "/etc/sysctl.d/99-z.conf": conf("/etc/sysctl.d/99-z.conf", f"# ours\n{FIN} = 30\n"),
        "/etc/sysctl.d/10-a.conf": conf("/etc/sysctl.d/10-a.conf", f"{FIN} = 20\n"),
    }
    _, states = audit(load_playbook(DATA / "playbook.yaml"), node_facts(sysctls=GOOD, files=files))
    fin, table = states[FIN], states[MAX]
    assert (fin.live, fin.boot, fin.after_reboot, fin.boot_note) == ("60", "30", "30", "")
    assert fin.boot_source == Source(path="/etc/sysctl.d/99-z.conf", line=2)
    later = "another line is applied after it"
    assert fin.overridden == (Source(path="/etc/sysctl.d/10-a.conf", line=1, reason=later),)
    assert (table.boot, table.boot_source, table.boot_note) == (None, None, "no file sets it")


def test_a_good_value_that_the_next_boot_takes_back_fails() -> None:
    found = small(node_facts(sysctls=GOOD, files={}))["liberal"]
    assert found == ("fail", "is 1 now, but the next boot leaves 0 (no file sets it), expected 1")


def test_a_bad_value_that_the_next_boot_puts_right_fails_and_says_so() -> None:
    found = small(node_facts(sysctls={**GOOD, LIBERAL: 0}, files=kept_at_boot(GOOD)))["liberal"]
    assert found[0] == "fail"
    assert found[1].startswith("is 0, expected 1; the next boot leaves 1 (set by /etc/sysctl.d/60-node.conf:1")


@pytest.mark.parametrize(
    ("state", "live", "boot", "status"),
    [
        ("live", 1, 0, "pass"),
        ("live", 0, 1, "fail"),
        ("boot", 1, 0, "fail"),
        ("boot", 0, 1, "pass"),
        ("both", 1, 0, "fail"),
        ("both", 0, 1, "fail"),
        ("both", 1, 1, "pass"),
    ],
)
def test_a_control_chooses_the_states_it_is_about(
    tmp_path: Path, state: str, live: int, boot: int, status: str
) -> None:
    facts = node_facts(sysctls={LIBERAL: live}, files=kept_at_boot({LIBERAL: boot}))
    found = verdict(tmp_path, facts, f"{{sysctl: {LIBERAL}}}", "{equals: 1}", f", state: {state}")
    assert found[0] == status


def test_what_cannot_be_foretold_is_not_judged_and_not_hidden() -> None:
    facts = node_facts(sysctls=GOOD, identity=replace(IDENTITY, init="runit"))
    assert small(facts)["fin"] == ("pass", "is 60; what the next boot leaves is not known; pods keep their own value")


def test_a_file_that_a_writer_overrules_is_told_even_where_both_values_are_good() -> None:
    arguments = ("/usr/local/bin/k3s", "server")
    k3s = NodeProcess(pid=7, name="k3s-server", arguments=arguments)
    facts = node_facts(sysctls={**GOOD, MAX: 400_000}, processes=(k3s,), identity=replace(IDENTITY, cores=8))
    status, reason = small(facts)["table"]
    assert status == "warn"
    assert reason == ("is 400000; /etc/sysctl.d/60-node.conf:2 sets 400000, but k3s sets it to 262144")


def test_a_writer_is_held_against_the_control_with_its_remedy() -> None:
    arguments = ("/usr/local/bin/k3s", "server")
    facts = node_facts(sysctls=GOOD, processes=(NodeProcess(pid=7, name="k3s-server", arguments=arguments),))
    findings, states = audit(load_playbook(DATA / "playbook.yaml"), facts)
    [writer] = states[MAX].writers
    assert (writer.name, writer.value) == ("k3s", "131072")
    assert states[MAX].boot == "262144"
    assert states[MAX].after_reboot == "131072"
    assert findings["table"][0] == "fail"
    assert "is 262144 now, but the next boot leaves 131072 (k3s sets it to 131072)" in findings["table"][1]


def test_a_key_of_a_skipped_control_may_be_anything() -> None:
    conntrack = replace(CONNTRACK, count=Unavailable(Reason.NOT_LOADED, "nf_conntrack"))
    _, states = audit(load_playbook(DATA / "playbook.yaml"), node_facts(sysctls=GOOD, conntrack=conntrack))
    assert (states[LIBERAL].live, states[LIBERAL].expected) == ("1", "any")


def test_two_controls_of_one_key_give_one_state(tmp_path: Path) -> None:
    control = "  - {{id: {}, title: t, impact: low, setting: {{sysctl: {}}}, expect: {{{}}}, why: w}}\n"
    (tmp_path / "play.yaml").write_text(
        "name: n\ncontrols:\n"
        + control.format("a", FIN, "at_least: 5")
        + control.format("b", FIN, "at_most: 90")
        + control.format("c", FIN, "at_most: 90")
    )
    _, states = audit(load_playbook(tmp_path / "play.yaml"), node_facts(sysctls=GOOD))
    assert [state.expected for state in states.values()] == ["at least 5 and 90 or less"]


@pytest.mark.parametrize(
    ("host", "today", "status", "reason"),
    [
        ("db-1", date(2027, 2, 28), "skip", "exception until 2027-03-01: waits for memory (ops)"),
        ("db-1", date(2027, 3, 1), "skip", "exception until 2027-03-01: waits for memory (ops)"),
        (
            "db-1",
            date(2027, 3, 2),
            "fail",
            f"is 1, expected at least 196608; {SO_AT_BOOT}:2); its exception expired on 2027-03-01 (ops)",
        ),
        ("web-1", date(2027, 2, 28), "fail", f"is 1, expected at least 196608; {SO_AT_BOOT}:2)"),
    ],
)
def test_an_exception_holds_for_its_hosts_until_its_day(host: str, today: date, status: str, reason: str) -> None:
    facts = node_facts(sysctls={**GOOD, MAX: 1})
    assert small(facts, host=host, today=today)["table"] == (status, reason)


def test_an_exception_does_not_hide_a_pass_or_another_control() -> None:
    found = small(node_facts(sysctls={**GOOD, LIBERAL: 0}), host="db-1")
    assert found["table"][0] == "pass"
    assert found["liberal"][0] == "fail"


@pytest.mark.parametrize(
    ("modules", "builtin", "expected"),
    [
        (frozenset({"br_netfilter"}), frozenset(), ("pass", "is loaded")),
        (frozenset(), frozenset({"br_netfilter"}), ("pass", "is loaded")),
        (frozenset(), frozenset(), ("fail", "is not loaded, expected loaded")),
        (NEEDS_ROOT, frozenset(), ("skip", "not checked: needs root")),
        (frozenset(), Unavailable(Reason.UNREADABLE, "x"), ("skip", "not checked: unreadable (x)")),
    ],
)
def test_modules_are_loaded_or_built_in(
    tmp_path: Path, modules: object, builtin: object, expected: tuple[str, str]
) -> None:
    facts = node_facts(modules=modules, builtin_modules=builtin)
    assert verdict(tmp_path, facts, "{module: br-netfilter}", "{loaded: true}") == expected


@pytest.mark.parametrize(
    ("file", "expect", "expected"),
    [
        (None, "{exists: false}", ("pass", "is absent")),
        (None, "{exists: true}", ("fail", "is absent, expected present")),
        (NodeFile(path="/etc/x", kind="file", content=b"a\n"), "{exists: true}", ("pass", "is present")),
        (NodeFile(path="/etc/x", kind="directory"), "{exists: true}", ("pass", "is present")),
        (
            NodeFile(path="/etc/x", kind="file", content=b"a\n"),
            '{content: "a\\n"}',
            ("pass", "has the content that the control gives"),
        ),
        (
            NodeFile(path="/etc/x", kind="file", content=b"b\n"),
            '{content: "a\\n"}',
            ("fail", "has other content, expected the content that the control gives"),
        ),
        (NodeFile(path="/etc/x", kind="unreadable"), "{exists: true}", ("skip", "not checked: unreadable (/etc/x)")),
    ],
)
def test_files_are_there_with_their_content(
    tmp_path: Path, file: NodeFile | None, expect: str, expected: tuple[str, str]
) -> None:
    facts = node_facts(files={} if file is None else {file.path: file})
    assert verdict(tmp_path, facts, "{file: /etc/x}", expect) == expected


def test_an_unreadable_file_asks_an_unprivileged_user_for_root(tmp_path: Path) -> None:
    file = NodeFile(path="/etc/x", kind="unreadable")
    facts = node_facts(files={"/etc/x": file}, identity=replace(IDENTITY, uid=1000))
    assert verdict(tmp_path, facts, "{file: /etc/x}", "{exists: true}") == ("skip", "not checked: needs root (/etc/x)")


def test_the_probe_is_asked_for_all_that_the_policy_uses(tmp_path: Path) -> None:
    (tmp_path / "play.yaml").write_text(
        "name: n\ncontrols:\n"
        "  - {id: a, title: t, impact: low, setting: {sysctl: net/a.b/c}, scope: host, why: w,\n"
        "     expect: {at_most: \"{{ sysctl['net.core.optmem_max'] }}\"}}\n"
        "  - {id: b, title: t, impact: low, setting: {file: /etc/x}, expect: {exists: true}, why: w}\n"
    )
    policy = load_playbook(tmp_path / "play.yaml")
    assert needed_keys(policy) == (*KEYS, "net.a/b.c", "net.core.optmem_max")
    assert needed_files(policy) == ("/etc/x",)


CONTEXT_VALUES = [
    ("node.cores", 4),
    ("node.kernel_version", [6, 1, 0]),
    ("node.os.id", "debian"),
    ("sysctl['net.ipv4.tcp_fin_timeout'] + 1", 61),
    ("sysctl['net.ipv4.ip_local_port_range']", "32768 60999"),
    ("sysctl['net.core.absent'] is none", True),
    ("conntrack.loaded", True),
    ("conntrack.usage_percent | int", 0),
    ("conntrack.chain_length", 2),
    ("sizing.max >= sizing.base", True),
    ("sizing.buckets == sizing.hashsize", True),
    ("ipvs.loaded", True),
    ("ipvs.in_use", True),
    ("ipvs.tcp_timeout", 900),
    ("kube.distribution", "kubeadm"),
    ("kube.proxy_mode", "ipvs"),
    ("kube.invalid_rule", False),
    ("protection.now.status", "protected by be_liberal"),
    ("ports.listeners", [6443, 40000]),
    ("ports.ephemeral_listeners", [40000]),
    ("ports.ephemeral_count", 28232),
    ("ports.node_ports", "30000-32767"),
    ("ports.unreserved_node_ports", "30000-32767"),
    ("units.unguarded | length", 0),
    ("'nf_conntrack' in modules and 'tcp_cubic' in modules", True),
    ("vars.conntrack_headroom", 2),
    ("host.role", "web"),
]


@pytest.mark.parametrize(("expression", "value"), CONTEXT_VALUES, ids=[name for name, _ in CONTEXT_VALUES])
def test_expressions_see_the_facts_by_name(tmp_path: Path, expression: str, value: object) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "sized.yaml").write_text(
        "profile: sized\ntitle: t\nvars:\n"
        "  conntrack_headroom: {default: 2, why: w}\n  conntrack_ram_share: {default: 0.0625, why: w}\n"
        "controls:\n"
        f"  - {{id: c, title: t, impact: low, setting: {{fact: node.cores}}, expect: {{at_least: 1}}, why: w,\n"
        f'     when: "({expression}) == {value!r}", skip_reason: "is otherwise"}}\n'
    )
    (tmp_path / "play.yaml").write_text("name: n\nprofiles: [sized]\n")
    facts = node_facts(
        sysctls={
            **GOOD,
            "net.ipv4.ip_local_port_range": "32768 60999",
            "net.ipv4.ip_local_reserved_ports": "",
            "net.core.absent": ABSENT,
        },
        ipvs=Ipvs(timeouts=IpvsTimeouts(tcp=900, tcp_fin=120, udp=300), services=0, connections=0),
        processes=(
            NodeProcess(pid=7, name="kubelet", arguments=("kubelet",)),
            NodeProcess(pid=8, name="kube-proxy", arguments=("kube-proxy", "--proxy-mode=ipvs")),
        ),
        listeners=(
            Listener(protocol="tcp", address="0.0.0.0", port=40_000),
            Listener(protocol="tcp", address="127.0.0.1", port=6_443),
        ),
    )
    assert audit(load_playbook(tmp_path / "play.yaml"), facts)[0]["c"] == ("pass", "is 4")


@pytest.mark.parametrize(
    ("services", "in_use"),
    [(NOT_LOADED, "skip"), (0, "skip"), (3, "fail"), (NEEDS_ROOT, "skip")],
)
def test_ipvs_controls_apply_only_where_ipvs_translates_services(services: object, in_use: str) -> None:
    (playbook,) = PLAYBOOKS.glob("stop-conntrack-resets.yaml")
    timeouts = IpvsTimeouts(tcp=900, tcp_fin=120, udp=300) if services is not NOT_LOADED else NOT_LOADED
    facts = node_facts(sysctls=GOOD, ipvs=Ipvs(timeouts=timeouts, services=services, connections=0))
    assert audit(load_playbook(playbook), facts)[0]["ipvs-tcp-timeout"][0] == in_use
