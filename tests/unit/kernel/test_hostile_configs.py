"""Configuration of a node that is broken, binary, huge or hostile: unknown with its reason, and never an exception."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.facts import IDENTITY
from support.kernel import node, process
from support.writers import K3S_FILE, PROXY_FILE, only, writers_of

from fleet.kernel.catalogue import KEYS
from fleet.kernel.version import parse_release
from fleet.model.facts import NodeFacts, NodeFile, NodeProcess
from fleet.policy.control import Policy
from fleet.policy.evaluate import evaluate
from fleet.policy.host import HostView
from fleet.policy.playbook import load_playbook

_HOST = HostView(name="node-1", groups=(), data={}, address="node-1")
_KUBELET = "/var/lib/kubelet/config.yaml"
_DAEMON = "/etc/docker/daemon.json"
_PROXY_IN_POD = f"/proc/1/root{PROXY_FILE}"
_MAX = "net.netfilter.nf_conntrack_max"
_FORWARD = "net.ipv4.ip_forward"
_PANIC = "kernel.panic"

_K3S = (process("k3s-server", "server"),)
_KUBEADM = (process("kubelet", f"--config={_KUBELET}"), process("kube-proxy", f"--config={PROXY_FILE}"))
_TOLD = (replace(_K3S[0], config="/opt/k3s.yaml"),)

# What is no YAML mapping, whoever reads it.
_BROKEN = {
    "nul": b"\0",
    "bytes": b"\xff\xfe\x1b[31m: \x07",
    "escape": b"\x1b[2J: 1\n",
    "open bracket": b"{",
    "list": b"- a list\n",
    "scalar": b"(masked)",
    "deep": b"[" * 100_000,
    "deep mappings": b'{"a":' * 50_000,
    "digits": b"9" * 10_000,
    "huge line": b"x" * 262_144,
    "recursive": b"a: &a [*a]\n",
    "laughs": b"a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    + b"".join(b"%c: &%c [%s]\n" % (98 + n, 98 + n, b", ".join([b"*%c" % (97 + n)] * 10)) for n in range(8)),
    "tag": b"!!python/object/apply:os.system [id]\n",
    "twice": b"mode: ipvs\nmode: iptables\n",
    "two documents": b"a: 1\n---\nb: 2\n",
    "merge": b"<<: {a: 1}\n",
    "odd key": b"? [1]\n: 2\n",
    "tab": b"a:\n\tb: 1\n",
    "bidirectional": "\u202ea: [\n".encode(),
}
# Mappings in which each value is of a wrong type.
_WRONG = {
    "numbers": b"kube-proxy-arg: 5\nkubelet-arg: 5\nprotect-kernel-defaults: 5\nconntrack: 5\nipvs: 5\nmode: 5\n",
    "mappings": b"kube-proxy-arg: {a: {b: 1}}\nprotectKernelDefaults: {}\nconntrack: {min: {}}\nmode: {}\n",
    "nulls": b"kube-proxy-arg: null\nkubelet-arg: [null]\nprotectKernelDefaults: null\nconntrack: null\nmode: null\n",
    "aliases": b"a: &a [x=1, --conntrack-min]\nkube-proxy-arg: *a\nkubelet-arg+: *a\nkube-proxy-arg+: [*a, *a]\n",
    "escapes": b'kube-proxy-arg: ["conntrack-min=\\e[31m", "\\0", "config=/\\u202e"]\nmode: "\\e[31m"\n',
    "large": b"conntrack: {maxPerCore: 999999999999999999999, min: -1, tcpEstablishedTimeout: 9999999999h}\n",
}
# Where each program reads, and a key of whose writer nothing can be told then.
_PLACES = {
    "k3s": (_K3S, K3S_FILE, _MAX),
    "k3s drop-in": (_K3S, f"{K3S_FILE}.d/10-a.yaml", _MAX),
    "k3s told": (_TOLD, "/opt/k3s.yaml", _MAX),
    "k3s kubelet": (_K3S, "/var/lib/rancher/k3s/agent/etc/kubelet.conf.d/10-a.conf", _PANIC),
    "kubelet": (_KUBEADM, _KUBELET, _PANIC),
    "kube-proxy": (_KUBEADM, _PROXY_IN_POD, _MAX),
}
_OTHERS = {
    "dockerd": ((process("dockerd"),), _DAEMON),
    "networkd": ((process("systemd-network"),), "/etc/systemd/network/a.network"),
    "networkd.conf": ((process("systemd-network"),), "/etc/systemd/networkd.conf"),
    "tuned": ((process("tuned"),), "/etc/tuned/mine/tuned.conf"),
    "tuned-main": ((process("tuned"),), "/etc/tuned/tuned-main.conf"),
    "ufw": ((), "/etc/ufw/sysctl.conf"),
    "ufw defaults": ((), "/etc/default/ufw"),
    "unit": (_K3S, "/etc/systemd/system/k3s.service"),
    "command line": ((), "/proc/cmdline"),
    "modprobe.d": ((), "/etc/modprobe.d/a.conf"),
    "modules-load.d": ((), "/etc/modules-load.d/a.conf"),
    "sysctl.d": ((), "/etc/sysctl.d/a.conf"),
}


@cache
def _policies() -> tuple[Policy, ...]:
    return tuple(load_playbook(path) for path in sorted((Path(__file__).parents[3] / "playbooks").glob("*.yaml")))


@cache
def _defaults() -> dict[str, str]:
    version = parse_release(IDENTITY.kernel)
    return {name: key.default_for(version) or "1" for name, key in KEYS.items()}


def _node(processes: tuple[NodeProcess, ...], files: dict[str, NodeFile]) -> NodeFacts:
    ufw = {
        "/etc/default/ufw": b"IPT_SYSCTL=/etc/ufw/sysctl.conf\n",
        "/etc/tuned/mine/tuned.conf": b"[main]\ninclude=mine\n[sysctl]\nvm.swappiness=1\n",
    }
    known = {path: NodeFile(path=path, kind="file", content=content) for path, content in ufw.items()}
    told = {"/opt/k3s.yaml": NodeFile(path="/opt/k3s.yaml", kind="file", content=b"")}
    facts = node(processes=processes, sysctls=_defaults(), ufw_enabled=True, tuned_profile="mine")
    return replace(facts, files=known | told | files)


def _texts(facts: NodeFacts) -> Iterator[str]:
    """All that is said of a node; each playbook must come to an end."""
    for policy in _policies():
        evaluation = evaluate(policy, facts, host=_HOST, today=date(2027, 3, 1))
        assert {finding.status for finding in evaluation.findings}
        yield from (finding.reason for finding in evaluation.findings)
        yield from (verdict.reason for verdict in evaluation.protection.values())
        assert not [finding for finding in evaluation.findings if finding.status == "error"]


@pytest.mark.parametrize("content", _BROKEN.values(), ids=_BROKEN)
@pytest.mark.parametrize(("processes", "path", "key"), _PLACES.values(), ids=_PLACES)
def test_a_broken_file_makes_unknown_what_is_read_from_it(
    processes: tuple[NodeProcess, ...], path: str, key: str, content: bytes
) -> None:
    facts = _node(processes, {path: NodeFile(path=path, kind="file", content=content)})
    for writer in writers_of(facts, key):
        assert len({write.rule for write in writer.writes}) != 1
        assert path.removeprefix("/proc/1/root") in writer.reason
        assert writer.reason.isprintable()
    assert writers_of(facts, key)
    assert all(text.isprintable() for text in _texts(facts))


@pytest.mark.parametrize("note", ["not read: larger than 262144 bytes", "could not be read"])
@pytest.mark.parametrize(("processes", "path", "key"), _PLACES.values(), ids=_PLACES)
def test_a_file_that_is_there_but_was_not_read_is_not_taken_for_an_empty_one(
    processes: tuple[NodeProcess, ...], path: str, key: str, note: str
) -> None:
    facts = _node(processes, {path: NodeFile(path=path, kind="file", note=note)})
    for writer in writers_of(facts, key):
        assert path.removeprefix("/proc/1/root") in writer.reason
    assert list(_texts(facts))


@pytest.mark.parametrize("content", [b"", b"\n\n", b"# nothing\n", b"---\n# nothing\n", b"#\n"])
def test_a_file_of_comments_alone_sets_nothing(content: bytes) -> None:
    facts = _node(_K3S, {K3S_FILE: NodeFile(path=K3S_FILE, kind="file", content=content)})
    (writer,) = [writer for writer in writers_of(facts, _MAX) if writer.kind == "k3s"]
    assert writer.value == "131072"


@pytest.mark.parametrize("content", [*_BROKEN.values(), *_WRONG.values()], ids=[*_BROKEN, *_WRONG])
@pytest.mark.parametrize(
    ("processes", "path"),
    [*((processes, path) for processes, path, _ in _PLACES.values()), *_OTHERS.values()],
    ids=[*_PLACES, *_OTHERS],
)
def test_no_content_of_any_file_ends_an_audit(processes: tuple[NodeProcess, ...], path: str, content: bytes) -> None:
    facts = _node(processes, {path: NodeFile(path=path, kind="file", content=content)})
    assert all(text.isprintable() for text in _texts(facts))


@pytest.mark.parametrize("content", _BROKEN.values(), ids=_BROKEN)
def test_a_broken_daemon_json_leaves_forwarding_unknown(content: bytes) -> None:
    facts = _node((process("dockerd"),), {_DAEMON: NodeFile(path=_DAEMON, kind="file", content=content)})
    writer = only(writers_of(facts, _FORWARD))
    assert len(writer.writes) > 1
    assert _DAEMON in writer.reason


_PIECES = st.lists(
    st.one_of(
        st.binary(max_size=8),
        st.sampled_from(
            [b"\n", b": ", b"- ", b"[", b"]", b"{", b"}", b'"', b"'", b"&a ", b"*a", b"#", b"=", b"\\", b"$"]
        ),
        st.sampled_from(
            [b"kube-proxy-arg", b"conntrack", b"maxPerCore", b"protectKernelDefaults", b"[sysctl]", b"include"]
        ),
        st.sampled_from(
            [b"[Network]\n", b"IPForward=yes", b"net.ipv4.ip_forward", b"[Service]\n", b"ExecStart=", b"--config"]
        ),
    ),
    max_size=30,
).map(b"".join)


@settings(max_examples=200, deadline=None)
@given(
    place=st.sampled_from([*((processes, path) for processes, path, _ in _PLACES.values()), *_OTHERS.values()]),
    content=_PIECES,
)
def test_random_content_never_ends_an_audit(place: tuple[tuple[NodeProcess, ...], str], content: bytes) -> None:
    processes, path = place
    assert list(_texts(_node(processes, {path: NodeFile(path=path, kind="file", content=content)})))
