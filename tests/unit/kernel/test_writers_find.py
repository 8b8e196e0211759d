import string
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.kernel import node, process
from support.writers import K3S_FILE, PROXY_FILE

from fleet.kernel.catalogue import KEYS
from fleet.kernel.writers import find_writers, protection, remedy, settled
from fleet.model.facts import NodeFile, NodeProcess, Reason, Unavailable

_LEFT_OVER = {
    K3S_FILE: "kube-proxy-arg: [conntrack-min=300000]\n",
    PROXY_FILE: "conntrack: {maxPerCore: 65536}\n",
    "/var/lib/kubelet/config.yaml": "protectKernelDefaults: true\n",
    "/etc/systemd/system/k3s.service": "[Service]\nExecStart=/usr/local/bin/k3s server\n",
    "/etc/tuned/mine/tuned.conf": "[sysctl]\nnet.core.somaxconn=1\n",
    "/etc/docker/daemon.json": '{"icc": false}',
    "/etc/ufw/sysctl.conf": "net/ipv4/ip_forward=1\n",
    "/etc/sysctl.d/99-zzz-override_cilium.conf": "net.ipv4.conf.all.rp_filter = 0\n",
}


def test_a_node_without_processes_has_no_writers_whatever_files_are_left_over() -> None:
    assert find_writers(node(files=_LEFT_OVER, tuned_profile="mine")) == ()


@pytest.mark.parametrize(
    "name", ["containerd", "flanneld", "NetworkManager", "kube-router", "systemd-network", "wickedd"]
)
def test_a_process_that_is_not_known_to_write_is_no_writer(name: str) -> None:
    assert find_writers(node(processes=(process(name),), files=_LEFT_OVER)) == ()


def test_hidden_processes_give_no_writers() -> None:
    assert find_writers(node(processes=Unavailable(Reason.NEEDS_ROOT), files=_LEFT_OVER)) == ()


def test_every_writer_has_evidence_and_concerns_a_known_key() -> None:
    processes = tuple(map(process, ("k3s-server", "kube-proxy", "cilium-agent", "calico-node", "dockerd")))
    writers = find_writers(node(processes=processes))
    assert {writer.kind for writer in writers} >= {"k3s", "kube-proxy", "kubelet", "cilium", "calico", "dockerd"}
    assert all(writer.evidence and writer.key in KEYS for writer in writers)
    assert all(writer.value is not None or writer.reason for writer in writers)


_PROCESSES = (
    "k3s-server",
    "k3s",
    "rke2",
    "kube-proxy",
    "kubelet",
    "tuned",
    "dockerd",
    "systemd-network",
    "calico-node",
)
_WORDS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            *("--config", f"--config={PROXY_FILE}", f"--config={K3S_FILE}", "--config-dir=/", "agent", "server"),
            *("--conntrack-max-per-core=", "--conntrack-max-per-core=-1", "--conntrack-min=0x7fffffff"),
            *("--conntrack-tcp-timeout-established=9e9h", "--conntrack-tcp-timeout-close-wait=1.5.5h", "--proxy-mode"),
            *("--conntrack-tcp-be-liberal=maybe", "--kube-proxy-arg", "--kube-proxy-arg=conntrack-min=9", "(masked)"),
            *(
                "--ip-forward=perhaps",
                "--protect-kernel-defaults",
                "--kubelet-arg=protect-kernel-defaults=x",
                "---",
                "=",
            ),
        ]
    ),
)
_TEXTS = st.one_of(
    st.binary(max_size=200),
    st.text(alphabet=string.printable, max_size=200).map(str.encode),
    st.sampled_from(
        [
            *(
                b"kube-proxy-arg: [conntrack-min=1",
                b"kube-proxy-arg+: {a: b}\n",
                b"kube-proxy-arg:\n- null\n- 5\n- [x]\n",
            ),
            *(b"conntrack: {min: 1.5}\n", b"conntrack: []\nipvs: {strictARP: 1}\n", b"mode: [x]\n", b"(masked)\n"),
            *(
                b"[sysctl]\n=\nnet.core.somaxconn=>x\n[sysctl",
                b"[main]\ninclude=mine;mine ${x}\n",
                b'{"icc": 5}',
                b"[" * 9999,
            ),
            *(b"IPT_SYSCTL=/etc/ufw/sysctl.conf\n", b"net/ipv4/ip_forward=\n=\n..\n/"),
            b"[Network]\nIPv4Forwarding=\x1b\nIPMasquerade=both\n",
        ]
    ),
)
_PATHS = st.sampled_from(
    [
        *_LEFT_OVER,
        f"{K3S_FILE}.d/10-a.yaml",
        "/etc/default/ufw",
        "/etc/tuned/tuned-main.conf",
        "/etc/systemd/network/a.network",
        "/etc/systemd/network/\x1b[31m\n.network",
        "/etc/systemd/networkd.conf",
        "/etc/docker/daemon.json",
        f"/proc/1/root{PROXY_FILE}",
    ]
)


@given(
    processes=st.lists(st.tuples(st.sampled_from(_PROCESSES), st.lists(_WORDS, max_size=4)), max_size=3),
    contents=st.dictionaries(_PATHS, _TEXTS, max_size=4),
    ufw=st.booleans(),
    kernel=st.one_of(st.text(max_size=10), st.just("5.4.0")),
    live=st.one_of(st.none(), st.text(max_size=5)),
)
def test_odd_arguments_and_files_never_raise(
    *,
    processes: list[tuple[str, list[str]]],
    contents: dict[str, bytes],
    ufw: bool,
    kernel: str,
    live: str | None,
) -> None:
    running = tuple(NodeProcess(pid=1, name=name, arguments=tuple(words)) for name, words in processes)
    facts = node(processes=running, tuned_profile="mine", ufw_enabled=ufw)
    files = {path: NodeFile(path=path, kind="file", content=content) for path, content in contents.items()}
    facts = replace(facts, files=files, identity=replace(facts.identity, kernel=kernel))
    writers = find_writers(facts)
    for writer in writers:
        assert writer.evidence
        assert all(text.isprintable() for text in (*writer.evidence, writer.reason, writer.name))
        assert remedy(writer, writer.key, "1").isprintable()
        assert settled(writer.key, live, live, writers).after_reboot.reason
    assert protection(facts, live, writers).after_reboot.reason.isprintable()
