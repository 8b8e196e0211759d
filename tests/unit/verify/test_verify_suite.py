"""Controls asserted on what testinfra says, where that differs from what the probe saw."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.facts import CONNTRACK, node_facts
from support.verify import TODAY, WEB, held, playbook

from fleet.kernel.catalogue import KEYS
from fleet.kernel.key import Kind
from fleet.model.facts import Ipvs, IpvsTimeouts, NodeFacts, NodeFile
from fleet.policy import evaluate, load_playbook
from fleet.verify.items import behind
from fleet.verify.reading import ReadingError

FIN = "net.ipv4.tcp_fin_timeout"
BACKLOG = "net.core.somaxconn"
FILE = "/etc/sysctl.d/60-node.conf"
PLAYBOOKS = Path(__file__).parents[3] / "playbooks"


def status(folder: Path, control: str, *, probed: NodeFacts, now: NodeFacts, files: tuple[str, ...] = ()) -> str:
    [one] = held(playbook(folder, control), probed=probed, now=now, files=files)
    return one.finding.status


def at_boot(text: str) -> dict[str, NodeFile]:
    return {FILE: NodeFile(path=FILE, kind="file", content=text.encode())}


def test_where_testinfra_says_the_same_the_finding_of_the_audit_stands(tmp_path: Path) -> None:
    facts = node_facts(sysctls={FIN: 5})
    policy = playbook(tmp_path, f"setting: {{sysctl: {FIN}}}\nexpect: {{at_least: 15}}")
    [one] = held(policy, probed=facts, now=facts)
    assert [one.finding] == [*evaluate(policy, facts, host=WEB, today=TODAY).findings]
    assert one.finding.reason.startswith("is 5, expected at least 15; the next boot leaves it so")
    assert list(behind(one)) == [
        "It holds (high)",
        f"{FIN}: live 5, boot 5, after reboot 5, expected at least 15",
        f"set by: {FILE}:1",
    ]


@pytest.mark.parametrize(("probed", "now", "verdict"), [(60, 5, "fail"), (5, 60, "pass")])
def test_a_live_value_is_judged_as_testinfra_reads_it(tmp_path: Path, probed: int, now: int, verdict: str) -> None:
    control = f"setting: {{sysctl: {FIN}}}\nexpect: {{at_least: 15}}\nstate: live"
    before, after = node_facts(sysctls={FIN: probed}), node_facts(sysctls={FIN: now})
    assert status(tmp_path, control, probed=before, now=after) == verdict


def test_the_line_that_decides_at_boot_is_judged_as_testinfra_reads_it(tmp_path: Path) -> None:
    control = f"setting: {{sysctl: {FIN}}}\nexpect: {{at_least: 15}}"
    probed = node_facts(sysctls={FIN: 60})
    policy = playbook(tmp_path, control)
    [one] = held(policy, probed=probed, now=replace(probed, files=at_boot(f"# ours\n{FIN} = 5\n")))
    assert one.finding.status == "fail"
    assert f"the next boot leaves 5 (set by {FILE}:2)" in one.finding.reason
    [lost] = held(policy, probed=probed, now=replace(probed, files={}), files=(FILE,))
    assert lost.state is not None
    assert lost.state.boot_note == "no file sets it"
    assert status(tmp_path, f"{control}\nstate: live", probed=probed, now=replace(probed, files={})) == "pass"


def test_a_file_is_judged_as_testinfra_reads_it(tmp_path: Path) -> None:
    path = "/etc/motd"
    control = f'setting: {{file: {path}}}\nexpect: {{content: "hello"}}'
    there, changed = (
        node_facts(files={path: NodeFile(path=path, kind="file", content=content)}) for content in (b"hello", b"bye")
    )
    absent = node_facts(files={})
    assert status(tmp_path, control, probed=there, now=there) == "pass"
    assert status(tmp_path, control, probed=there, now=changed) == "fail"
    assert status(tmp_path, control, probed=there, now=absent, files=(path,)) == "fail"
    assert status(tmp_path, control, probed=absent, now=there) == "pass"


@pytest.mark.parametrize("name", ["nf_conntrack", "tcp_cubic"])
def test_a_module_is_judged_as_testinfra_finds_it(tmp_path: Path, name: str) -> None:
    control = f"setting: {{module: {name}}}\nexpect: {{loaded: true}}"
    there, gone = node_facts(), node_facts(modules=frozenset[str](), builtin_modules=frozenset[str]())
    assert status(tmp_path, control, probed=there, now=there) == "pass"
    assert status(tmp_path, control, probed=there, now=gone) == "fail"
    assert status(tmp_path, control, probed=gone, now=there) == "pass"


def test_numbers_of_conntrack_are_read_as_keys(tmp_path: Path) -> None:
    control = "setting: {fact: conntrack.usage_percent}\nexpect: {at_most: 90}"
    keys = {"net.netfilter.nf_conntrack_count": 1_000, "net.netfilter.nf_conntrack_max": 262_144}
    probed = node_facts(sysctls=keys, conntrack=CONNTRACK)
    full = node_facts(sysctls={**keys, "net.netfilter.nf_conntrack_count": 262_000})
    assert status(tmp_path, control, probed=probed, now=probed) == "pass"
    assert status(tmp_path, control, probed=probed, now=full) == "fail"


def test_timeouts_of_ipvs_are_judged_as_ipvsadm_prints_them(tmp_path: Path) -> None:
    control = "setting: {ipvs: tcp_timeout}\nexpect: {at_least: 7440}\nstate: live"
    long, short = (
        node_facts(ipvs=Ipvs(timeouts=IpvsTimeouts(tcp=tcp, tcp_fin=120, udp=300), services=1, connections=0))
        for tcp in (8_000, 900)
    )
    assert status(tmp_path, control, probed=long, now=long) == "pass"
    assert status(tmp_path, control, probed=long, now=short) == "fail"


def test_what_testinfra_can_no_longer_read_is_an_error_and_not_a_pass(tmp_path: Path) -> None:
    control = f"setting: {{sysctl: {FIN}}}\nexpect: {{at_least: 15}}"
    gone = node_facts(sysctls={FIN: node_facts().ipvs.timeouts})
    with pytest.raises(ReadingError, match=f"testinfra cannot read {FIN}"):
        status(tmp_path, control, probed=node_facts(sysctls={FIN: 60}), now=gone)


def test_what_does_not_apply_is_not_asked_for(tmp_path: Path) -> None:
    control = f'setting: {{sysctl: {FIN}}}\nexpect: {{at_least: 15}}\nwhen: "false"\nskip_reason: not here'
    nothing = node_facts(sysctls={}, files={})
    assert status(tmp_path, control, probed=node_facts(sysctls={FIN: 5}), now=nothing) == "skip"


_NUMBERS = [key for key, known in KEYS.items() if known.kind in {Kind.INT, Kind.BOOL}]


@settings(max_examples=10)
@given(values=st.lists(st.integers(0, 500_000), min_size=len(_NUMBERS), max_size=len(_NUMBERS)))
def test_every_shipped_control_ends_as_in_an_audit_of_the_same_facts(values: list[int]) -> None:
    sysctls = dict(zip(_NUMBERS, values, strict=True))
    # As in the answer of a node, where both are one reading.
    table = {
        field: sysctls.get(f"net.netfilter.nf_conntrack_{field}", getattr(CONNTRACK, field))
        for field in ("max", "buckets")
    }
    facts = node_facts(
        sysctls={**sysctls, "net.netfilter.nf_conntrack_count": 1_000}, conntrack=replace(CONNTRACK, **table)
    )
    policy = load_playbook(PLAYBOOKS / "stop-conntrack-resets.yaml")
    findings = tuple(one.finding for one in held(policy, probed=facts, now=facts))
    assert findings == evaluate(policy, facts, host=WEB, today=TODAY).findings


@settings(max_examples=10)
@given(before=st.integers(0, 500_000), after=st.integers(0, 500_000))
def test_a_changed_key_ends_as_in_an_audit_after_the_change(before: int, after: int) -> None:
    policy = load_playbook(PLAYBOOKS / "stop-conntrack-resets.yaml")
    values = dict.fromkeys(_NUMBERS, 1)
    probed = node_facts(sysctls={**values, BACKLOG: before})
    now = node_facts(sysctls={**values, BACKLOG: after})
    both = zip(policy.controls, held(policy, probed=probed, now=now), strict=True)
    seen = {one.finding.control: one.finding for control, one in both if control.setting.target == BACKLOG}
    assert seen
    for finding in evaluate(policy, now, host=WEB, today=TODAY).findings:
        if finding.control in seen:
            assert seen[finding.control] == finding
