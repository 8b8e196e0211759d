from dataclasses import replace

import pytest
from support.kernel import node, process
from support.writers import PROXY_FILE, kube_proxy, only, proxy_node, sized, writers_of, writes_of

from fleet.kernel.writers import find_writers, node_releases
from fleet.model.facts import NodeFile

MAX = "net.netfilter.nf_conntrack_max"
BE_LIBERAL = "net.netfilter.nf_conntrack_tcp_be_liberal"
ESTABLISHED = "net.netfilter.nf_conntrack_tcp_timeout_established"

_FILE = """\
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clusterCIDR: (masked)
conntrack:
  maxPerCore: 65536
  min: null
  tcpBeLiberal: true
  tcpEstablishedTimeout: 2h0m0s
"""


def test_the_file_counts_as_a_whole_and_flags_below_it_are_ignored() -> None:
    facts = proxy_node(
        f"--config={PROXY_FILE}", "--conntrack-max-per-core=0", minor=35, cores=8, files={PROXY_FILE: _FILE}
    )
    assert writes_of(facts, MAX) == {("sets", "524288")}
    assert writes_of(facts, ESTABLISHED) == {("sets", "7200")}
    assert writes_of(facts, BE_LIBERAL) == {("sets", "1")}


def test_evidence_names_file_and_line() -> None:
    facts = proxy_node("--config", PROXY_FILE, minor=35, files={PROXY_FILE: _FILE})
    writer = only(writers_of(facts, MAX))
    assert f"{PROXY_FILE}:5 sets conntrack.maxPerCore" in writer.evidence
    assert f"{PROXY_FILE} does not set conntrack.min, so its default counts" in writer.evidence
    assert writer.place == "the kube-proxy ConfigMap"


def test_be_liberal_in_a_file_is_left_alone_by_releases_that_do_not_know_it() -> None:
    facts = proxy_node("--config", PROXY_FILE, files={PROXY_FILE: _FILE})
    assert writes_of(facts, BE_LIBERAL) == {("sets", "1"), ("leaves", None)}
    old = proxy_node("--config", PROXY_FILE, minor=28, files={PROXY_FILE: _FILE})
    assert writers_of(old, BE_LIBERAL) == []


def test_the_file_of_a_pod_is_the_one_that_the_pod_sees() -> None:
    files = {PROXY_FILE: "conntrack: {maxPerCore: 0}\n", f"/proc/1/root{PROXY_FILE}": _FILE + "mode: ipvs\n"}
    facts = proxy_node(f"--config={PROXY_FILE}", minor=35, cores=8, files=files)
    assert writes_of(facts, MAX) == {("sets", "524288")}
    assert writes_of(facts, "net.ipv4.vs.conntrack") == {("sets", "1")}


@pytest.mark.parametrize(
    "content",
    [
        None,
        "\x00",
        "- a list\n",
        "# (masked)",
        "conntrack: 5\n",
        "conntrack: (masked)\n",
        "conntrack: {maxPerCore: '65536'}\n",
        "conntrack: {maxPerCore: true}\n",
        "conntrack: {maxPerCore: 3000000000}\n",
        "conntrack:\n\tmaxPerCore: 1\n",
    ],
)
def test_a_file_that_tells_nothing_leaves_the_limit_unknown(content: str | None) -> None:
    files = {} if content is None else {PROXY_FILE: content}
    writer = only(writers_of(proxy_node(f"--config={PROXY_FILE}", minor=35, files=files), MAX))
    assert writer.writes == ()
    assert writer.value is None
    assert PROXY_FILE in writer.reason


@pytest.mark.parametrize("value", ["true", "5", "'2 hours'", "[]"])
def test_a_timeout_of_a_wrong_type_is_unknown(value: str) -> None:
    files = {PROXY_FILE: f"conntrack:\n  tcpEstablishedTimeout: {value}\n"}
    writer = only(writers_of(proxy_node(f"--config={PROXY_FILE}", minor=35, files=files), ESTABLISHED))
    assert writer.writes == ()
    assert f"{PROXY_FILE}:2" in writer.reason


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        ("3.10.0-1160.el7", []),
        ("4.1.0", ["0"]),
        ("4.19.0-26-amd64", ["0"]),
        ("5.8.18", ["0"]),
        ("5.9.0", []),
        ("6.1.0", []),
        ("odd", [None]),
    ],
)
def test_ipvs_mode_turns_reuse_off_on_kernels_that_need_it(kernel: str, expected: list[str | None]) -> None:
    facts = sized(proxy_node("--proxy-mode=ipvs", minor=28), kernel=kernel)
    assert [writer.value for writer in writers_of(facts, "net.ipv4.vs.conn_reuse_mode")] == expected


def test_ipvs_mode_sets_what_ipvs_needs() -> None:
    facts = proxy_node("--proxy-mode=ipvs", minor=28)
    for key in ("conntrack", "expire_nodest_conn", "expire_quiescent_template"):
        assert writes_of(facts, f"net.ipv4.vs.{key}") == {("sets", "1")}
    assert writes_of(facts, "net.ipv4.ip_forward") == {("sets", "1")}


@pytest.mark.parametrize("mode", ["iptables", "nftables"])
def test_other_modes_leave_ipvs_alone(mode: str) -> None:
    facts = proxy_node(f"--proxy-mode={mode}", minor=33)
    assert not [writer for writer in find_writers(facts) if writer.key.startswith(("net.ipv4.vs.", "net.ipv4.ip_"))]


def test_strict_arp_is_written_only_where_asked_for() -> None:
    key = "net.ipv4.conf.all.arp_ignore"
    asked = node(processes=(process("kube-proxy", "--proxy-mode=ipvs", "--ipvs-strict-arp"),), sysctls={key: "0"})
    assert writes_of(asked, key) == {("sets", "1")}
    plain = node(processes=(process("kube-proxy", "--proxy-mode=ipvs"),), sysctls={key: "0"})
    assert writers_of(plain, key) == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "any release"),
        (("--ipvs-tcp-timeout=900s",), "1.18 or later"),
        (("--conntrack-udp-timeout=0s",), "1.29 or later"),
    ],
)
def test_flags_tell_the_oldest_release_that_knows_them(arguments: tuple[str, ...], expected: str) -> None:
    assert str(node_releases(proxy_node(*arguments))) == expected


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("registry.example/kube-proxy:v1.28.2", "1.28"),
        ("registry.example/kube-proxy:v1.28.2@sha256:0a1b", "1.28"),
        ("localhost:5000/kube-proxy-arm64:v1.36.0", "1.36"),
        ("registry.example/rancher/hardened-kubernetes:v1.29.3-rke2r1-build20240315", "1.29"),
        ("602401143452.dkr.ecr.eu-west-1.amazonaws.com/eks/kube-proxy:v1.30.6-minimal-eksbuild.1", "1.30"),
        ("registry.example/kube-proxy:latest", "any release"),
        ("registry.example/kube-proxy@sha256:0a1b", "any release"),
        ("registry:1.28.2/kube-proxy", "any release"),
        # Its versions are its own.
        ("registry.example/network-helper:v1.28.2", "any release"),
    ],
)
def test_the_image_of_a_container_shows_the_release(image: str, expected: str) -> None:
    facts = node(processes=(replace(process("kube-proxy"), image=image),))
    assert str(node_releases(facts)) == expected


def test_the_image_counts_more_than_the_flags_and_is_told() -> None:
    facts = node(processes=(kube_proxy("--conntrack-udp-timeout=0s", minor=31),))
    assert str(node_releases(facts)) == "1.31"
    assert any(
        "runs the image registry.example/kube-proxy:v1.31.3" in line for line in writers_of(facts, MAX)[0].evidence
    )


@pytest.mark.parametrize(("running", "expected"), [("rke2", "1.28"), ("kubelet", "any release")])
def test_the_link_to_the_binaries_of_a_running_rke2_shows_the_release(running: str, expected: str) -> None:
    path = "/var/lib/rancher/rke2/bin"
    link = NodeFile(path=path, kind="link", link="/var/lib/rancher/rke2/data/v1.28.3-rke2r2-0a1b2c3d4e5f/bin")
    facts = replace(node(processes=(process(running), process("kube-proxy"))), files={path: link})
    assert str(node_releases(facts)) == expected


def test_the_directory_that_rke2_unpacks_to_shows_the_release() -> None:
    binary = "/var/lib/rancher/rke2/data/v1.28.3-rke2r2-0a1b2c3d4e5f/bin"
    kubelet = replace(process("kubelet"), arguments=("kubelet", f"--volume-plugin-dir={binary}"))
    facts = node(processes=(process("rke2", "server"), kubelet, process("kube-proxy")))
    assert str(node_releases(facts)) == "1.28"
    assert only(writer for writer in writers_of(facts, MAX) if writer.kind == "kube-proxy").name == "kube-proxy 1.28"


def test_an_address_is_no_release() -> None:
    kube_proxy = replace(process("kube-proxy"), arguments=("/opt/10.1.28.3/kube-proxy", "--bind-address=1.28.3.4"))
    assert str(node_releases(node(processes=(kube_proxy,)))) == "any release"
