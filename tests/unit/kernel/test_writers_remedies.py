import pytest
from support.kernel import node, process
from support.writers import K3S_FILE, PROXY_FILE, kube_proxy, only, proxy_node, writers_of

from fleet.kernel.writers import remedy
from fleet.model.facts import NodeFacts

MAX = "net.netfilter.nf_conntrack_max"
BUCKETS = "net.netfilter.nf_conntrack_buckets"
ESTABLISHED = "net.netfilter.nf_conntrack_tcp_timeout_established"
BE_LIBERAL = "net.netfilter.nf_conntrack_tcp_be_liberal"

_LIBERAL = "--conntrack-tcp-be-liberal"
_BY_FILE = proxy_node("--config", PROXY_FILE, minor=35, files={PROXY_FILE: "conntrack: {tcpBeLiberal: true}\n"})
_BY_FLAGS = proxy_node(_LIBERAL, minor=35)
_K3S = node(processes=(process("k3s-server", "server"),))
_K3S_UNIT = "/etc/systemd/system/k3s.service"
_K3S_BY_UNIT = node(
    processes=(process("k3s-server", "server"),),
    files={_K3S_UNIT: "[Service]\nExecStart=/usr/local/bin/k3s server --kube-proxy-arg=conntrack-min=5\n"},
)


@pytest.mark.parametrize(
    ("facts", "key", "expected", "parts"),
    [
        (
            _BY_FILE,
            MAX,
            "524288",
            ("conntrack.maxPerCore: 1 and conntrack.min: 524288", "ConfigMap", "rollout restart"),
        ),
        (_BY_FILE, BUCKETS, "524288", ("conntrack.maxPerCore: 0", "ConfigMap", "sysctl.d")),
        (_BY_FILE, ESTABLISHED, "7440", ("conntrack.tcpEstablishedTimeout: 7440s", "0s leaves the key")),
        (_BY_FILE, BE_LIBERAL, "0", ("conntrack.tcpBeLiberal: false", "set the key to 0")),
        (_BY_FLAGS, MAX, "524288", ("--conntrack-max-per-core=1 --conntrack-min=524288", "arguments of kube-proxy")),
        (_BY_FLAGS, BE_LIBERAL, "1", ("--conntrack-tcp-be-liberal=true",)),
        (
            _K3S,
            MAX,
            "524288",
            ('kube-proxy-arg+: ["conntrack-max-per-core=1", "conntrack-min=524288"]', f"{K3S_FILE}.d/"),
        ),
        (_K3S, ESTABLISHED, "7440", ('kube-proxy-arg+: ["conntrack-tcp-timeout-established=7440s"]', "restart k3s")),
        (_K3S_BY_UNIT, MAX, "9", ("--kube-proxy-arg=conntrack-max-per-core=1", f"at the end of {_K3S_UNIT}:2")),
        (_K3S, "kernel.panic", "20", ("takes no other value",)),
        (_K3S, "net.ipv4.ip_forward", "0", ("k3s needs net.ipv4.ip_forward as it writes it: expect 1",)),
    ],
)
def test_the_remedy_is_where_the_writer_is_configured(
    facts: NodeFacts, key: str, expected: str, parts: tuple[str, ...]
) -> None:
    sentence = remedy(writers_of(facts, key)[-1], key, expected)
    assert sentence.endswith(".")
    for part in parts:
        assert part in sentence


@pytest.mark.parametrize("cores", [4, 33, 512])
@pytest.mark.parametrize("minor", [35, 36, 38])
@pytest.mark.parametrize("expected", [262_144, 4_194_304])
def test_what_the_remedy_for_the_limit_says_gives_the_limit(cores: int, minor: int, expected: int) -> None:
    facts = proxy_node("--conntrack-max-per-core=1", f"--conntrack-min={expected}", minor=minor, cores=cores)
    assert only(writers_of(facts, MAX)).value == str(expected)


def test_a_kubelet_that_demands_wants_the_value_in_sysctl_d() -> None:
    facts = node(processes=(process("kubelet", "--protect-kernel-defaults"),))
    sentence = remedy(only(writers_of(facts, "kernel.panic")), "kernel.panic", "20")
    assert "kernel.panic=10 in sysctl.d" in sentence


@pytest.mark.parametrize(
    ("facts", "key", "part"),
    [
        (
            node(
                processes=(process("tuned"),),
                tuned_profile="mine",
                files={"/etc/tuned/mine/tuned.conf": "[sysctl]\nnet.core.somaxconn=1\n"},
            ),
            "net.core.somaxconn",
            "net.core.somaxconn=9 in the [sysctl] section",
        ),
        (
            node(
                ufw_enabled=True,
                files={
                    "/etc/default/ufw": "IPT_SYSCTL=/etc/ufw/sysctl.conf\n",
                    "/etc/ufw/sysctl.conf": "net/core/somaxconn=1\n",
                },
            ),
            "net.core.somaxconn",
            "net/core/somaxconn=9 into /etc/ufw/sysctl.conf",
        ),
        (node(processes=(process("dockerd"),)), "net.ipv4.ip_forward", "ip-forward in /etc/docker/daemon.json"),
        (node(processes=(process("cilium-agent"),)), "net.ipv4.conf.all.rp_filter", "expect 0"),
        (
            node(processes=(process("rke2", "server"), kube_proxy(minor=35))),
            "net.netfilter.nf_conntrack_max",
            "/etc/rancher/rke2/config.yaml.d/",
        ),
    ],
)
def test_other_writers_have_their_own_files(facts: NodeFacts, key: str, part: str) -> None:
    for writer in writers_of(facts, key):
        assert part in remedy(writer, key, "9")
