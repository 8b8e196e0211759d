import pytest
from support.kernel import node, process

from fleet.kernel.kube import distribution, proxy_mode
from fleet.model.facts import NodeProcess, Reason, Unavailable

_K3S = process("k3s-server", "server")
_KUBELET = process("kubelet")
_CONFIG = "/var/lib/kube-proxy/config.conf"
_START = "[Service]\nExecStart=/usr/local/bin/k3s"
_K3S_CONFIG = "/etc/rancher/k3s/config.yaml"


@pytest.mark.parametrize(
    ("processes", "expected"),
    [
        ((), "none"),
        ((process("containerd"),), "none"),
        ((_K3S,), "k3s"),
        ((process("k3s-agent", "agent"), _KUBELET), "k3s"),
        ((process("rke2", "server"), _KUBELET, process("kube-proxy")), "rke2"),
        ((process("rke2-agent"), _KUBELET), "rke2"),
        ((_KUBELET,), "kubeadm"),
    ],
)
def test_the_distribution_is_that_of_the_running_processes(processes: tuple[NodeProcess, ...], expected: str) -> None:
    assert distribution(node(processes=processes)) == expected


def test_left_over_configuration_makes_no_kubernetes_node() -> None:
    assert distribution(node(files={_K3S_CONFIG: "disable: [traefik]\n"})) == "none"


def test_hidden_processes_make_everything_unknown() -> None:
    hidden = Unavailable(Reason.NEEDS_ROOT, "hidepid")
    assert distribution(node(processes=hidden)) == hidden
    assert proxy_mode(node(processes=hidden)).mode == "unknown"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "iptables"),
        (("--proxy-mode=ipvs",), "ipvs"),
        (("--proxy-mode", "nftables"), "nftables"),
        (("--proxy-mode=",), "iptables"),
        (("--proxy-mode=iptables", "--proxy-mode=ipvs"), "ipvs"),
        (("--proxy-mode=userspace",), "unknown"),
    ],
)
def test_the_mode_is_read_from_the_flag(arguments: tuple[str, ...], expected: str) -> None:
    assert proxy_mode(node(processes=(_KUBELET, process("kube-proxy", *arguments)))).mode == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("kind: KubeProxyConfiguration\nmode: ipvs\n", "ipvs"),
        ('kind: KubeProxyConfiguration\nmode: ""\n', "iptables"),
        ("kind: KubeProxyConfiguration\n", "iptables"),
        ("mode: [ipvs]\n", "unknown"),
        ("mode: ipvs\nmode: iptables\n", "unknown"),
        ("- mode\n", "unknown"),
        ("\x00", "unknown"),
    ],
)
def test_the_mode_is_read_from_the_file_and_the_flag_is_then_ignored(content: str, expected: str) -> None:
    kube_proxy = process("kube-proxy", f"--config={_CONFIG}", "--proxy-mode=nftables")
    assert proxy_mode(node(processes=(kube_proxy,), files={_CONFIG: content})).mode == expected


def test_a_file_that_was_not_read_leaves_the_mode_unknown() -> None:
    answer = proxy_mode(node(processes=(process("kube-proxy", "--config", _CONFIG),)))
    assert answer.mode == "unknown"
    assert _CONFIG in answer.evidence


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, "iptables"),
        ({_K3S_CONFIG: "kube-proxy-arg:\n  - proxy-mode=ipvs\n"}, "ipvs"),
        ({_K3S_CONFIG: "kube-proxy-arg: proxy-mode=ipvs\n"}, "ipvs"),
        ({_K3S_CONFIG: "disable-kube-proxy: true\n"}, "none"),
        ({_K3S_CONFIG: "disable-kube-proxy: false\n"}, "iptables"),
        ({_K3S_CONFIG: "disable-kube-proxy: true\ndisable-kube-proxy: true\n"}, "unknown"),
        (
            {
                _K3S_CONFIG: "kube-proxy-arg: [proxy-mode=ipvs]\n",
                f"{_K3S_CONFIG}.d/50-a.yaml": "kube-proxy-arg: [metrics-bind-address=0.0.0.0]\n",
            },
            "iptables",
        ),
        (
            {
                _K3S_CONFIG: "kube-proxy-arg: [proxy-mode=ipvs]\n",
                f"{_K3S_CONFIG}.d/50-a.yaml": "kube-proxy-arg+: [metrics-bind-address=0.0.0.0]\n",
            },
            "ipvs",
        ),
        (
            {
                f"{_K3S_CONFIG}.d/10-a.yaml": "kube-proxy-arg: [proxy-mode=nftables]\n",
                f"{_K3S_CONFIG}.d/90-b.yaml": "kube-proxy-arg: [proxy-mode=ipvs]\n",
                f"{_K3S_CONFIG}.d/95-c.conf": "kube-proxy-arg: [proxy-mode=nftables]\n",
            },
            "ipvs",
        ),
        (
            {
                _K3S_CONFIG: "kube-proxy-arg: [proxy-mode=ipvs]\n",
                "/etc/systemd/system/k3s.service": (
                    f"{_START} \\\n    server \\\n    --kube-proxy-arg=proxy-mode=nftables\n"
                ),
            },
            "nftables",
        ),
        (
            {"/etc/systemd/system/k3s.service": f"{_START} server --disable-kube-proxy\n"},
            "none",
        ),
    ],
)
def test_the_mode_of_k3s_is_merged_from_files_and_arguments(files: dict[str, str], expected: str) -> None:
    assert proxy_mode(node(processes=(_K3S,), files=files)).mode == expected


def test_an_agent_is_read_from_its_own_unit() -> None:
    files = {
        "/etc/systemd/system/k3s.service": f"{_START} server --kube-proxy-arg proxy-mode=ipvs\n",
        "/etc/systemd/system/k3s-agent.service": f"{_START} agent\n",
    }
    assert proxy_mode(node(processes=(process("k3s-agent", "agent"),), files=files)).mode == "iptables"


@pytest.mark.parametrize(
    ("processes", "expected"),
    [
        ((), "none"),
        ((_KUBELET, process("cilium-agent")), "none"),
        ((_K3S, process("cilium-agent")), "none"),
        ((_KUBELET, process("cilium-agent"), process("kube-proxy")), "iptables"),
        ((_KUBELET,), "unknown"),
        ((process("rke2"), _KUBELET), "unknown"),
    ],
)
def test_a_node_without_kube_proxy_is_not_guessed_at(processes: tuple[NodeProcess, ...], expected: str) -> None:
    answer = proxy_mode(node(processes=processes))
    assert answer.mode == expected
    assert answer.evidence
