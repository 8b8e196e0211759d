"""Kinds of nodes that carry what k3s, the kubelet and kube-proxy leave on a machine.

What k3s writes and where it keeps it: https://docs.k3s.io/installation/configuration; what kube-proxy does in each
mode: https://kubernetes.io/docs/reference/networking/virtual-ips/.
"""

import random
from dataclasses import replace

from fleet.lab.planted import Planted
from fleet.lab.specification import NodeSpec, PlannedFile, PlannedProcess

_ESTABLISHED = "net.netfilter.nf_conntrack_tcp_timeout_established"
_CLOSE_WAIT = "net.netfilter.nf_conntrack_tcp_timeout_close_wait"
_KUBE_PROXY_CONFIG = "/var/lib/kube-proxy/config.conf"
_KUBELET_CONFIG = "/var/lib/kubelet/config.yaml"

_KUBE_FORWARD = """\
*filter
:KUBE-FORWARD - [0:0]
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT
COMMIT
"""


def k3s_server(base: NodeSpec, rng: random.Random) -> NodeSpec:
    """A server whose operator raised conntrack-max-per-core, and lost that to a drop-in that replaces the list."""
    token = _token(rng, "server")
    config = (
        f'token: "{token}"\nwrite-kubeconfig-mode: "0644"\ndisable: [traefik]\n'
        "kube-proxy-arg:\n  - conntrack-max-per-core=65536\n  - conntrack-tcp-timeout-established=2h\n"
        "kubelet-arg:\n  - max-pods=200\n"
    )
    return replace(
        base,
        planted=(Planted.K3S_SERVER, Planted.K3S_LIST_REPLACED, Planted.INVALID_RULE),
        files=(
            PlannedFile(path="/etc/rancher/k3s/config.yaml", content=config, mode=0o600),
            PlannedFile(
                path="/etc/rancher/k3s/config.yaml.d/10-proxy.yaml",
                content="kube-proxy-arg:\n  - metrics-bind-address=0.0.0.0\n",
            ),
            _k3s_unit("k3s", "server"),
            # The file says one thing, k3s writes another at each of its starts.
            PlannedFile(path="/etc/sysctl.d/90-conntrack.conf", content=f"{_ESTABLISHED} = 432000\n"),
        ),
        live=((_ESTABLISHED, "86400"), (_CLOSE_WAIT, "3600"), ("net.ipv4.conf.all.forwarding", "1")),
        processes=(
            PlannedProcess(
                executable="/var/lib/rancher/k3s/data/current/bin/k3s-server",
                arguments=("/usr/local/bin/k3s", "server"),
            ),
        ),
        firewall=_KUBE_FORWARD,
        secrets=(token,),
    )


def k3s_agent(base: NodeSpec, rng: random.Random) -> NodeSpec:
    """An agent told to keep its hands off conntrack; its token stands in a file, an environment file and ``ps``."""
    token = _token(rng, "node")
    server = f"https://10.{rng.randrange(256)}.0.10:6443"
    config = (
        f'server: {server}\ntoken: "{token}"\n'
        "kube-proxy-arg:\n  - conntrack-max-per-core=0\n  - conntrack-tcp-timeout-established=0s\n"
        "  - conntrack-tcp-timeout-close-wait=0s\n"
    )
    return replace(
        base,
        planted=(Planted.K3S_AGENT, Planted.K3S_CONNTRACK_OFF, Planted.INVALID_RULE),
        files=(
            PlannedFile(path="/etc/rancher/k3s/config.yaml", content=config, mode=0o600),
            PlannedFile(
                path="/etc/rancher/k3s/config.yaml.d/10-proxy.yaml",
                content="kube-proxy-arg+:\n  - metrics-bind-address=0.0.0.0\n",
            ),
            _k3s_unit("k3s-agent", "agent"),
            PlannedFile(path="/etc/systemd/system/k3s-agent.service.env", content=f"K3S_TOKEN='{token}'\n", mode=0o600),
        ),
        live=(("net.ipv4.conf.all.forwarding", "1"),),
        processes=(
            PlannedProcess(
                executable="/var/lib/rancher/k3s/data/current/bin/k3s-agent",
                arguments=("/usr/local/bin/k3s", "agent", "--server", server, "--token", token),
            ),
        ),
        firewall=_KUBE_FORWARD,
        secrets=(token,),
    )


def kube_proxy_ipvs(base: NodeSpec, rng: random.Random) -> NodeSpec:
    ipvs = "mode: ipvs\nipvs:\n  strictARP: true\n  tcpTimeout: 0s\n  tcpFinTimeout: 0s\n  udpTimeout: 0s\n"
    return _kubeadm(base, rng, mode=ipvs, planted=(Planted.KUBE_PROXY_IPVS, Planted.KEEPALIVE_ABOVE_IPVS))


def kube_proxy_nftables(base: NodeSpec, rng: random.Random) -> NodeSpec:
    return _kubeadm(base, rng, mode="mode: nftables\n", planted=(Planted.KUBE_PROXY_NFTABLES,))


def _kubeadm(base: NodeSpec, rng: random.Random, *, mode: str, planted: tuple[Planted, ...]) -> NodeSpec:
    kube_proxy = (
        "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"
        f"{mode}conntrack:\n  maxPerCore: {rng.choice((32768, 65536))}\n  min: 131072\n"
        "  tcpEstablishedTimeout: 24h0m0s\n  tcpCloseWaitTimeout: 1h0m0s\n"
    )
    kubelet = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nprotectKernelDefaults: false\n"
    unit = "[Unit]\nDescription=kubelet\n\n[Service]\nExecStart=/usr/bin/kubelet\nRestart=always\n"
    drop_in = f"[Service]\nExecStart=\nExecStart=/usr/bin/kubelet --config={_KUBELET_CONFIG}\n"
    return replace(
        base,
        planted=planted,
        files=(
            PlannedFile(path=_KUBE_PROXY_CONFIG, content=kube_proxy),
            PlannedFile(path=_KUBELET_CONFIG, content=kubelet),
            PlannedFile(path="/etc/systemd/system/kubelet.service", content=unit),
            PlannedFile(path="/etc/systemd/system/kubelet.service.d/10-kubeadm.conf", content=drop_in),
        ),
        live=((_ESTABLISHED, "86400"), (_CLOSE_WAIT, "3600"), ("net.ipv4.ip_forward", "1")),
        processes=(
            PlannedProcess(
                executable="/usr/bin/kubelet", arguments=("/usr/bin/kubelet", f"--config={_KUBELET_CONFIG}")
            ),
            PlannedProcess(
                executable="/usr/local/bin/kube-proxy",
                arguments=(
                    "/usr/local/bin/kube-proxy",
                    f"--config={_KUBE_PROXY_CONFIG}",
                    f"--hostname-override={base.name}",
                ),
            ),
        ),
    )


def _k3s_unit(service: str, role: str) -> PlannedFile:
    # As the install script writes it: https://github.com/k3s-io/k3s/blob/master/install.sh
    return PlannedFile(
        path=f"/etc/systemd/system/{service}.service",
        content=(
            "[Unit]\nDescription=Lightweight Kubernetes\nAfter=network-online.target\n\n"
            f"[Service]\nType=notify\nEnvironmentFile=-/etc/systemd/system/{service}.service.env\n"
            "KillMode=process\nDelegate=yes\nLimitNOFILE=1048576\nRestart=always\n"
            "ExecStartPre=-/sbin/modprobe br_netfilter\nExecStartPre=-/sbin/modprobe overlay\n"
            f"ExecStart=/usr/local/bin/k3s {role}\n\n[Install]\nWantedBy=multi-user.target\n"
        ),
    )


def _token(rng: random.Random, user: str) -> str:
    return f"K10{rng.randbytes(32).hex()}::{user}:{rng.randbytes(16).hex()}"
