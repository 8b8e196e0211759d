from dataclasses import replace

import pytest
from support.kernel import node, process
from support.writers import K3S_FILE, only, sized, writers_of

from fleet.kernel.writers import Writer, find_writers
from fleet.model.facts import NodeFacts, NodeFile

MAX = "net.netfilter.nf_conntrack_max"
BUCKETS = "net.netfilter.nf_conntrack_buckets"
ESTABLISHED = "net.netfilter.nf_conntrack_tcp_timeout_established"
CLOSE_WAIT = "net.netfilter.nf_conntrack_tcp_timeout_close_wait"
BE_LIBERAL = "net.netfilter.nf_conntrack_tcp_be_liberal"
BRIDGE = "net.bridge.bridge-nf-call-iptables"

_K3S = process("k3s-server", "server")
_UNIT = "/etc/systemd/system/k3s.service"


def _k3s(files: dict[str, str] | None = None, cores: int = 4) -> NodeFacts:
    return sized(node(processes=(_K3S,), files=files), cores=cores)


def _own(facts: NodeFacts, key: str) -> list[Writer]:
    return [writer for writer in writers_of(facts, key) if writer.kind in {"k3s", "rke2"}]


def _embedded(facts: NodeFacts, key: str) -> list[Writer]:
    return [writer for writer in writers_of(facts, key) if writer.kind == "kube-proxy"]


@pytest.mark.parametrize(
    ("cores", "limit"), [(4, 131_072), (32, 1_048_576), (33, 1_081_344), (64, 2_097_152), (512, 16_777_216)]
)
def test_k3s_sets_the_limit_without_a_cap_and_leaves_the_table_alone(cores: int, limit: int) -> None:
    facts = _k3s(cores=cores)
    assert [(write.rule, write.value) for write in only(writers_of(facts, MAX)).writes] == [("sets", str(limit))]
    assert writers_of(facts, BUCKETS) == []


def test_k3s_sets_the_defaults_of_kube_proxy_and_its_kube_proxy_nothing() -> None:
    facts = _k3s()
    assert only(writers_of(facts, ESTABLISHED)).value == "86400"
    assert only(writers_of(facts, CLOSE_WAIT)).value == "3600"
    assert not [writer for writer in find_writers(facts) if writer.kind == "kube-proxy"]


_TOLD = "/opt/k3s.yaml"


@pytest.mark.parametrize("name", ["disable-agent", "rootless"])
@pytest.mark.parametrize(("value", "writes"), [("true", False), ("false", True)])
def test_a_k3s_that_runs_no_pods_on_the_node_itself_writes_nothing(*, name: str, value: str, writes: bool) -> None:
    assert bool(find_writers(_k3s({K3S_FILE: f"{name}: {value}\n"}))) == writes


def test_k3s_reads_the_file_that_it_is_told_to_with_the_directory_beside_it() -> None:
    files = {
        K3S_FILE: "kube-proxy-arg: [conntrack-min=1]\n",
        f"{K3S_FILE}.d/10-a.yaml": "kube-proxy-arg: [conntrack-min=2]\n",
        _TOLD: "kube-proxy-arg: [conntrack-min=300000]\n",
        f"{_TOLD}.d/10-a.yaml": "kube-proxy-arg+: [conntrack-tcp-timeout-established=1h]\n",
    }
    facts = node(processes=(replace(_K3S, config=_TOLD),), files=files)
    assert only(_own(facts, MAX)).value == "300000"
    assert only(_own(facts, ESTABLISHED)).value == "3600"
    assert any(f"{_TOLD}:1" in line for line in only(_own(facts, MAX)).evidence)


@pytest.mark.parametrize(
    ("config", "start"),
    [
        (_TOLD, "server"),
        ("relative.yaml", "server"),
        ("", f"server -c {_TOLD}"),
        ("", f"server --config={_TOLD}"),
        (K3S_FILE, f"server '--config' '{_TOLD}'"),
    ],
)
def test_a_file_that_k3s_is_told_to_read_and_nobody_read_leaves_the_values_unknown(config: str, start: str) -> None:
    files = {K3S_FILE: "kube-proxy-arg: []\n", _UNIT: f"[Service]\nExecStart=/usr/local/bin/k3s {start}\n"}
    writer = only(_own(node(processes=(replace(_K3S, config=config),), files=files), MAX))
    assert writer.writes == ()
    assert ("relative.yaml" if config == "relative.yaml" else _TOLD) in writer.reason


def test_zeros_switch_k3s_off() -> None:
    zeros = "conntrack-max-per-core=0, conntrack-tcp-timeout-established=0s, conntrack-tcp-timeout-close-wait=0s"
    facts = _k3s({K3S_FILE: f"kube-proxy-arg: [{zeros}]\n"})
    assert [writers_of(facts, key) for key in (MAX, BUCKETS, ESTABLISHED, CLOSE_WAIT)] == [[], [], [], []]


def test_a_given_argument_is_written_by_k3s_and_again_by_its_kube_proxy() -> None:
    facts = _k3s({K3S_FILE: "kube-proxy-arg:\n  - conntrack-max-per-core=65536\n"}, cores=32)
    assert only(_own(facts, MAX)).value == "2097152"
    again = only(_embedded(facts, MAX))
    assert {write.value for write in again.writes} == {"2097152", "1048576"}
    assert again.service == "k3s"
    assert "k3s" in again.after
    assert only(_embedded(facts, BUCKETS)).writes
    assert _embedded(facts, ESTABLISHED) == []


def test_be_liberal_goes_through_kube_proxy_arg() -> None:
    writer = only(writers_of(_k3s({K3S_FILE: "kube-proxy-arg:\n- conntrack-tcp-be-liberal=true\n"}), BE_LIBERAL))
    assert writer.value == "1"
    assert f"{K3S_FILE}:2 has conntrack-tcp-be-liberal=true" in writer.evidence


_BASE = "kube-proxy-arg: [conntrack-min=300000]\n"


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({K3S_FILE: _BASE}, 300_000),
        ({K3S_FILE: "kube-proxy-arg: conntrack-min=300000\n"}, 300_000),
        ({K3S_FILE: "kube-proxy-arg: [--conntrack-min=300000]\n"}, 300_000),
        # A later file replaces the list, even without a word about conntrack.
        ({K3S_FILE: _BASE, f"{K3S_FILE}.d/10-a.yaml": "kube-proxy-arg: [v=2]\n"}, 131_072),
        ({K3S_FILE: _BASE, f"{K3S_FILE}.d/10-a.yaml": "kube-proxy-arg+: [v=2]\n"}, 300_000),
        ({K3S_FILE: _BASE, f"{K3S_FILE}.d/10-a.yml": "kube-proxy-arg: [v=2]\n"}, 131_072),
        ({K3S_FILE: _BASE, f"{K3S_FILE}.d/10-a.yaml": "kube-proxy-arg+: [conntrack-min=400000]\n"}, 400_000),
        ({f"{K3S_FILE}.d/10-a.yaml": "kube-proxy-arg+: [conntrack-min=400000]\n"}, 400_000),
        (
            {
                f"{K3S_FILE}.d/90-b.yaml": "kube-proxy-arg: [conntrack-min=400000]\n",
                f"{K3S_FILE}.d/10-a.yaml": "kube-proxy-arg: [conntrack-min=300000]\n",
            },
            400_000,
        ),
        # Arguments beat files and replace whole lists.
        (
            {
                K3S_FILE: _BASE,
                _UNIT: "[Service]\nExecStart=/usr/local/bin/k3s server --kube-proxy-arg=v=2\n",
            },
            131_072,
        ),
        (
            {
                f"{K3S_FILE}.d/10-a.yaml": "kube-proxy-arg+: [conntrack-min=400000]\n",
                _UNIT: "[Service]\nExecStart=/usr/local/bin/k3s server --kube-proxy-arg conntrack-min=500000\n",
            },
            500_000,
        ),
    ],
)
def test_the_configuration_is_merged_as_k3s_merges_it(files: dict[str, str], limit: int) -> None:
    assert only(_own(_k3s(files), MAX)).value == str(limit)


def test_evidence_names_the_drop_in_that_wins_and_the_line() -> None:
    files = {K3S_FILE: _BASE, f"{K3S_FILE}.d/10-a.yaml": "# why\nkube-proxy-arg+:\n- v=2\n- conntrack-min=400000\n"}
    writer = only(_own(_k3s(files), MAX))
    assert f"{K3S_FILE}.d/10-a.yaml:4 has conntrack-min=400000" in writer.evidence
    assert "k3s-server runs (process 1)" in writer.evidence


def test_arguments_in_the_unit_are_where_the_remedy_belongs() -> None:
    files = {_UNIT: "[Service]\nExecStart=/usr/local/bin/k3s server --kube-proxy-arg=conntrack-min=500000\n"}
    assert only(_own(_k3s(files), MAX)).place == f"{_UNIT}:2"


@pytest.mark.parametrize("content", ["\x00", "a: 1\na: 2\n", "kube-proxy-arg: [\n"])
def test_a_configuration_that_is_no_yaml_leaves_values_unknown(content: str) -> None:
    facts = _k3s({K3S_FILE: content})
    for key in (MAX, ESTABLISHED, BE_LIBERAL):
        assert {writer.value for writer in writers_of(facts, key)} == {None}
        assert all(K3S_FILE in writer.reason for writer in writers_of(facts, key))


@pytest.mark.parametrize("path", [K3S_FILE, "/etc/rancher/k3s", f"{K3S_FILE}.d", f"{K3S_FILE}.d/10-a.yaml"])
def test_a_configuration_that_may_not_be_read_leaves_values_unknown(path: str) -> None:
    facts = replace(_k3s(), files={path: NodeFile(path=path, kind="unreadable")})
    writer = only(_own(facts, MAX))
    assert writer.writes == ()
    assert path in writer.reason


def test_k3s_writes_conntrack_also_where_it_runs_no_kube_proxy() -> None:
    facts = _k3s({K3S_FILE: "disable-kube-proxy: true\nkube-proxy-arg: [conntrack-max-per-core=65536]\n"})
    assert only(writers_of(facts, MAX)).kind == "k3s"


@pytest.mark.parametrize(
    ("config", "rules"),
    [
        ("{}", ["sets"]),
        ("disable-kube-proxy: true", ["sets"]),
        ("flannel-backend: none", ["sets"]),
        ("disable-kube-proxy: true\nflannel-backend: none", ["sets", "leaves"]),
    ],
)
def test_bridged_packets_pass_iptables_unless_nothing_needs_it(config: str, rules: list[str]) -> None:
    assert [write.rule for write in only(writers_of(_k3s({K3S_FILE: f"{config}\n"}), BRIDGE)).writes] == rules


def test_forwarding_is_turned_on_and_said_to_be_ip_forward() -> None:
    writer = only(writers_of(_k3s(), "net.ipv4.ip_forward"))
    assert writer.value == "1"
    assert any("net.ipv4.conf.all.forwarding" in text for text in writer.evidence)


def test_a_server_without_an_agent_writes_nothing_for_pods() -> None:
    assert writers_of(_k3s({K3S_FILE: "disable-agent: true\n"}), MAX) == []


def test_rke2_writes_as_k3s_does_and_its_kube_proxy_speaks_for_itself() -> None:
    zeros = (
        "--conntrack-max-per-core=0",
        "--conntrack-tcp-timeout-established=0s",
        "--conntrack-tcp-timeout-close-wait=0s",
    )
    path = "/etc/rancher/rke2/config.yaml"
    facts = node(
        processes=(process("rke2", "server"), process("kubelet"), process("kube-proxy", *zeros)),
        files={path: "kube-proxy-arg:\n- conntrack-min=300000\n"},
    )
    writer = only(writers_of(facts, MAX))
    assert (writer.name, writer.service, writer.value) == ("RKE2", "rke2", "300000")
    assert any(f"{path}:2" in text for text in writer.evidence)


def test_masked_values_break_nothing() -> None:
    masked = "token: (masked)\nkube-proxy-arg:\n- (masked)\n- conntrack-min=300000\nserver: (masked)\n"
    assert only(_own(_k3s({K3S_FILE: masked}), MAX)).value == "300000"
