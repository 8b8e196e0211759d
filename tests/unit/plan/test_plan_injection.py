"""Hostile text on the whole way from an inventory, a playbook or a node to a plan: refused, or inert.

What is tried, in each place where an operator or a node can put text: Jinja (``{{ }}``, ``{% %}``), shell (``$( )``,
backticks, quotes, ``;``, ``&&``, ``|``), the syntax of sysctl.d (a line break, ``-key``, a glob, ``#``, a backslash at
the end), that of systemd (specifiers, separators, sections, line breaks), that of YAML, and paths that lead upwards.
"""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.hostile import TRICKS
from support.kernel import node, process
from support.plans import (
    BUCKETS,
    CMDLINE,
    ESTABLISHED,
    FIN,
    LIBERAL,
    MAX,
    TEMPLATES,
    TODAY,
    applied,
    plan_of,
    plan_text,
    planned,
    playbook_of,
)
from support.writers import kube_proxy

from fleet.kernel.boot import BootSet, resolve_boot
from fleet.kernel.services import start_values
from fleet.kernel.unitfile import unit_commands
from fleet.model.errors import DocumentError
from fleet.model.facts import Ipvs, IpvsTimeouts, NodeFacts
from fleet.plan import NodePlan, plan_node
from fleet.policy import Policy, evaluate
from fleet.runner.inventory import FleetInventory, host_views

ATTACKS = [
    *(trick for trick in TRICKS if trick != "\ud800"),
    "{{ 7 * 7 }}",
    "{{ node.hostname }}",
    "{% include '/etc/passwd' %}",
    "$(id)",
    "`id`",
    "${HOME}",
    "1; reboot",
    "1 && reboot",
    "| reboot",
    '1" "/bin/sh',
    "1' '",
    "1\nkernel.core_pattern = |/tmp/x",
    "1\r\nkernel.core_pattern = x",
    "1\x85kernel.core_pattern = x",
    "1\n[Service]\nExecStart=/bin/sh",
    "-1",
    "-kernel.core_pattern",
    "net.ipv4.conf.*.rp_filter = 0",
    "1 # note",
    "1\\",
    "1\\\nkernel.core_pattern = x",
    "%n%H%%",
    "../../etc/shadow",
    'x"]\nserver: evil',
    "a: {b: c}",
]
hostile = st.one_of(
    st.sampled_from(ATTACKS),
    # JSON, in which the inventory is written here, spells what is above as two halves, which YAML does not join.
    st.text(st.characters(codec="utf-8", max_codepoint=0xFFFF), max_size=30),
    st.text(st.sampled_from("\n\r\t \\\"'#;%${}[]*?=-./:|&`~a1\x85\u2028"), max_size=12),
)
PATTERN = "kernel.core_pattern"
KUBELET = {"/usr/lib/systemd/system/kubelet.service": "[Service]\nExecStart=/usr/bin/kubelet\n"}
DROP_IN = "/etc/systemd/system/kubelet.service.d/90-fleet.conf"
ALLOWED = {
    *("[Unit]", "[Service]", "[Install]", "Description=IPVS timeouts (managed by fleet)"),
    *("Documentation=man:ipvsadm(8)", "After=systemd-modules-load.service", "ConditionPathExists=/sbin/ipvsadm"),
    *("Type=oneshot", "RemainAfterExit=yes", "WantedBy=multi-user.target", "kube-proxy-arg+:", "nf_conntrack"),
    *("ExecStartPre=-/sbin/modprobe nf_conntrack", "ExecStartPre=-/sbin/modprobe ip_vs"),
}
VALUE = "{{ host.value }}"
CONTROLS = (
    f"setting: {{sysctl: {FIN}}}, expect: {{at_least: 30}}, set: '{{{{ host.value }}}}'",
    f"setting: {{sysctl: {PATTERN}}}, scope: host, expect: {{equals: '{VALUE}'}}, set: '{VALUE}'",
    f"setting: {{sysctl: {BUCKETS}}}, expect: {{at_least: 1024}}, set: '{{{{ host.value }}}}'",
    f"setting: {{sysctl: {ESTABLISHED}}}, expect: {{at_least: 600}}, set: '{{{{ host.value }}}}'",
    f"setting: {{sysctl: {LIBERAL}}}, expect: {{equals: 1}}, set: 1",
    "setting: {ipvs: tcp_timeout}, expect: {at_least: 7440}, set: '{{ host.value }}'",
    "setting: {module: nf_conntrack}, expect: {loaded: true}",
    "setting: {drop_in: kubelet}, expect: {exists: true}",
)
KEYS = {FIN, PATTERN, BUCKETS, ESTABLISHED, LIBERAL, MAX}


def kubelet_node(*processes: object) -> NodeFacts:
    keys = {FIN: "5", PATTERN: "core", BUCKETS: "512", ESTABLISHED: "60", LIBERAL: "0", MAX: "65536"}
    ipvs = Ipvs(timeouts=IpvsTimeouts(tcp=900, tcp_fin=120, udp=300), services=1, connections=0)
    proxy = kube_proxy("--proxy-mode=ipvs", "--conntrack-tcp-timeout-established=0s", minor=31)
    return node(
        sysctls=keys,
        files={**CMDLINE, **KUBELET},
        processes=processes or (process("kubelet"), proxy),
        ipvs=ipvs,
        modules=frozenset(),
    )


def plan_with(policy: Policy, facts: NodeFacts, data: object, directory: Path) -> NodePlan:
    """The plan of a host whose data the inventory's file gives."""
    (directory / "hosts.yaml").write_text(json.dumps({"web-1": {"hostname": "192.0.2.1", "data": {"value": data}}}))
    [host] = host_views(FleetInventory(str(directory)).load())
    seen = evaluate(policy, facts, host=host, today=TODAY)
    return plan_node(seen, facts, templates=TEMPLATES, playbook=policy.name)


def is_harmless(plan: NodePlan, facts: NodeFacts) -> None:
    """Every line that is written is one that fleet writes, about a key that the playbook names."""
    for change in plan.changes:
        assert change.target.isprintable()
        assert ".." not in change.target
        if change.kind == "sysctl":
            assert change.target in KEYS
            assert change.after is not None
            assert len(change.after.splitlines()) <= 1
        if change.kind == "file":
            for line in str(change.after).split("\n"):
                assert _is_ours(line), (change.target, line)
    after = applied(facts, plan)
    for key, value in resolve_boot(after, sorted({*KEYS, "kernel.panic"})).items():
        lines = [change for change in plan.changes if f"\n{key} = " in str(change.after)]
        assert isinstance(value, BootSet) == bool(lines)
    assert set(start_values(after.files, "kubelet")) <= KEYS
    assert [each.text for each in unit_commands(after.files, "kubelet", "ExecStart")] == ["/usr/bin/kubelet"]
    text = plan_text(plan_of({"web-1": plan}))
    assert text.isascii()
    assert "reason" in json.loads(text)["hosts"]["web-1"]["changes"][0]


def _is_ours(line: str) -> bool:
    if line in ALLOWED or not line or line.startswith("#"):
        return True
    for start, end in (("", ""), ('ExecStartPre=-/sbin/sysctl -w "', '"')):
        body = line.removeprefix(start).removesuffix(end)
        name, separator, value = body.partition(" = " if not start else "=")
        if line.startswith(start) and separator and name in KEYS:
            return not (set(value) & set("#\\")) if not start else value.isdecimal()
    words = line.split()
    numbers = all(word.isdecimal() for word in words[-3:])
    return (words[:2] in (["ExecStart=/sbin/ipvsadm", "--set"], ["ExecStop=-/sbin/ipvsadm", "--set"]) and numbers) or (
        words[:3] == ["options", "nf_conntrack", f"hashsize={words[-1].rpartition('=')[2]}"]
        and words[-1].rpartition("=")[2].isdecimal()
    )


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("inventory")


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    return playbook_of(tmp_path_factory.mktemp("playbook"), *CONTROLS)


@settings(max_examples=60, deadline=None)
@given(value=hostile)
@example(value="600")
def test_data_of_the_inventory_is_a_value_or_nothing(policy: Policy, directory: Path, value: str) -> None:
    facts = kubelet_node()
    plan = plan_with(policy, facts, value, directory)
    is_harmless(plan, facts)
    assert "49" not in {change.after for change in plan.changes}
    assert "node-1" not in {change.after for change in plan.changes}


@pytest.mark.parametrize("value", ATTACKS)
def test_each_known_attack_in_data_of_the_inventory_is_a_value_or_nothing(
    policy: Policy, directory: Path, value: str
) -> None:
    facts = kubelet_node()
    plan = plan_with(policy, facts, value, directory)
    is_harmless(plan, facts)
    refused = {each.target for each in plan.refused}
    # No attack is a number, but the kernel itself reads "1 # note" as 1 and takes -1 for a number.
    if not value.startswith(("1", "-1")):
        assert {FIN, BUCKETS, ESTABLISHED, "ipvs.tcp_timeout"} <= refused
    assert all(each.reason.isprintable() for each in plan.refused)


@pytest.mark.parametrize("value", [["1", "2"], {"a": 1}, None, True, 1.5, -1, 0, 10**30])
def test_data_of_another_type_is_a_value_or_nothing(policy: Policy, directory: Path, value: object) -> None:
    facts = kubelet_node()
    is_harmless(plan_with(policy, facts, value, directory), facts)


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_name_of_a_playbook_and_the_reasons_of_its_controls_stay_comments(
    policy: Policy, directory: Path, attack: str
) -> None:
    told = replace(
        policy,
        name=attack,
        controls=tuple(replace(control, why=attack, title=attack, sources=(attack,)) for control in policy.controls),
    )
    facts = kubelet_node()
    plan = plan_with(told, facts, 86400, directory)
    assert {"/etc/sysctl.d/90-fleet.conf", DROP_IN, "/etc/systemd/system/fleet-ipvs-timeouts.service"} <= {
        change.target for change in plan.changes
    }
    is_harmless(plan, facts)


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_snippet_for_k3s_says_only_what_is_asked(directory: Path, tmp_path: Path, attack: str) -> None:
    control = f"setting: {{sysctl: {ESTABLISHED}}}, expect: {{at_least: 600}}, set: '{{{{ host.value }}}}'"
    policy = replace(playbook_of(tmp_path, control), name=attack)
    facts = kubelet_node(process("k3s-server", "server"))
    for value in (attack, 7440):
        plan = plan_with(policy, facts, value, directory)
        for change in plan.changes:
            if change.target.startswith("/etc/rancher/"):
                lines = [line for line in str(change.after).split("\n") if line and not line.startswith("#")]
                assert lines[0] == "kube-proxy-arg+:"
                assert lines[1].startswith('  - "conntrack-tcp-timeout-established=')
                assert lines[1].removeprefix('  - "conntrack-tcp-timeout-established=').removesuffix('s"').isdecimal()
                assert len(lines) == 2


@pytest.mark.parametrize(
    "control",
    [
        "setting: {sysctl: -net.ipv4.ip_forward}, scope: host, expect: {equals: 1}, set: 1",
        "setting: {sysctl: net.ipv4.conf.*.rp_filter}, scope: host, expect: {equals: 1}, set: 1",
        "setting: {sysctl: net.ipv4.../kernel.panic}, scope: host, expect: {equals: 1}, set: 1",
        "setting: {sysctl: ../../../etc/passwd}, scope: host, expect: {equals: 1}, set: 1",
        'setting: {sysctl: "net.ipv4.ip_forward\\nkernel.panic"}, scope: host, expect: {equals: 1}, set: 1',
        'setting: {sysctl: "kernel.panic $(id)"}, scope: host, expect: {equals: 1}, set: 1',
        "setting: {sysctl: '{{ host.value }}'}, scope: host, expect: {equals: 1}, set: 1",
        f'setting: {{sysctl: {FIN}}}, expect: {{equals: "60; reboot"}}, set: "60; reboot"',
        f'setting: {{sysctl: {FIN}}}, expect: {{at_least: 1}}, set: "$(id)"',
        "setting: {module: ../nf_conntrack}, expect: {loaded: true}",
        'setting: {module: "nf_conntrack\\nremove x"}, expect: {loaded: true}',
        'setting: {module: "nf_conntrack; reboot"}, expect: {loaded: true}',
        "setting: {file: /etc/../etc/shadow}, expect: {exists: true}",
        "setting: {file: /etc/$(id)}, expect: {exists: true}",
        'setting: {file: "/etc/a b"}, expect: {exists: true}',
        "setting: {drop_in: ../../etc}, expect: {exists: true}",
        'setting: {drop_in: "kubelet.service; reboot"}, expect: {exists: true}',
        "setting: {drop_in: '{{ host.value }}'}, expect: {exists: true}",
        "setting: {drop_in: kubelet}, expect: {exists: false}",
        "setting: {ipvs: 'tcp_timeout 1 2; reboot'}, expect: {at_least: 1}, set: 1",
        'setting: {ipvs: tcp_timeout}, expect: {at_least: 1}, set: "1 2 3; reboot"',
        f"setting: {{sysctl: {FIN}}}, expect: {{at_least: 1}}, set: '{{{{ cycler.__init__ }}}}'",
    ],
)
def test_a_control_that_is_no_plain_one_is_refused_with_its_place(tmp_path: Path, control: str) -> None:
    with pytest.raises(DocumentError) as caught:
        playbook_of(tmp_path, control)
    assert caught.value.line is not None
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("expression", ["().__class__", "''.__class__.__mro__", "node.__init__", "host['__class__']"])
def test_an_expression_that_reaches_for_python_writes_nothing(tmp_path: Path, directory: Path, expression: str) -> None:
    control = f'setting: {{sysctl: {FIN}}}, expect: {{at_least: 30}}, set: "{{{{ {expression} }}}}"'
    try:
        plan = plan_with(playbook_of(tmp_path, control), kubelet_node(), "1", directory)
    except DocumentError:
        return
    assert plan.changes == ()
    assert [each.target for each in plan.refused] == [FIN]


@pytest.mark.parametrize("name", ["../k3s", "k3s; reboot", "$(id)", "{{ host.value }}", "k3s\\nreboot", "-k3s", "*"])
def test_a_service_to_restart_that_is_no_plain_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DocumentError):
        playbook_of(tmp_path, CONTROLS[4], more=f'rollout: {{restart: ["{name}"]}}\n')


@pytest.mark.parametrize("attack", [attack for attack in ATTACKS if set(attack) != {"x"}])
def test_what_stands_in_a_file_with_fleets_own_header_is_no_command(tmp_path: Path, attack: str) -> None:
    """Anybody who can write the file can write a header too, so its lines are checked like any others."""
    policy = playbook_of(tmp_path, CONTROLS[4], CONTROLS[7])
    files = {
        DROP_IN: f'# Managed by fleet\n[Service]\nExecStartPre=-/sbin/sysctl -w "{MAX}={attack}"\n',
        "/etc/sysctl.d/90-fleet.conf": f"# Managed by fleet\n{FIN} = {attack}\n",
        "/etc/modules-load.d/fleet.conf": f"# Managed by fleet\n{attack}\n",
    }
    facts = kubelet_node()
    spoilt = replace(facts, files={**facts.files, **node(files=files).files})
    try:
        plan = planned(policy, spoilt)
    except DocumentError as error:
        pytest.fail(f"a node's file must not look like a mistake of the operator: {error}")
    for change in plan.changes:
        if change.kind == "file":
            ours = [line for line in str(change.after).split("\n") if not _is_ours(line)]
            assert not [line for line in ours if line in attack.split("\n") and line], (change.target, ours)
    assert set(start_values(applied(spoilt, plan).files, "kubelet")) <= KEYS


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_a_node_says_of_itself_is_a_value_or_nothing(tmp_path: Path, directory: Path, attack: str) -> None:
    facts = kubelet_node()
    told = replace(
        facts,
        identity=replace(facts.identity, hostname=attack, kernel=attack, boot_id=attack),
        sysctls={**facts.sysctls, PATTERN: replace(facts.sysctls[PATTERN], value=attack)},
        programs=dict.fromkeys(("sysctl", "modprobe", "ipvsadm"), attack),
    )
    controls = (
        f"setting: {{sysctl: {FIN}}}, expect: {{at_least: 30}}, set: '{{{{ node.hostname }}}}'",
        f"setting: {{sysctl: {PATTERN}}}, scope: host, expect: {{equals: 'x'}}, set: 'x'",
        *CONTROLS[4:],
    )
    plan = plan_with(playbook_of(tmp_path, *controls), told, 7440, directory)
    assert not [change for change in plan.changes if "/systemd/system/" in change.target]
    assert {"kubelet.service", "ipvs.tcp_timeout"} <= {each.target for each in plan.refused}
    assert all(each.reason.isprintable() for each in plan.refused)
    assert plan_text(plan_of({"web-1": plan})).isascii()


def test_the_day_of_an_exception_is_not_read_as_anything_else(tmp_path: Path) -> None:
    more = "exceptions: [{control: c-1, hosts: all, reason: '{{ 1 }}', owner: $(id), expires: 2027-03-01}]\n"
    exception = playbook_of(tmp_path, CONTROLS[4], more=more).exceptions[0]
    assert (exception.reason, exception.owner, exception.expires) == ("{{ 1 }}", "$(id)", date(2027, 3, 1))
