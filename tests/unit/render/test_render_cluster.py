"""k3s, RKE2 and kube-proxy: what they then read, by the rules that fleet.kernel knows."""

from collections.abc import Mapping

import pytest
from support.kernel import node, process
from support.render import patch, snippet
from support.writers import K3S_FILE, PROXY_FILE, only, writers_of

from fleet.document import parse
from fleet.kernel.k3s import k3s_list
from fleet.model.facts import NodeFile
from fleet.render import RenderedFile, RenderError

ZZ = f"{K3S_FILE}.d/zz-fleet.yaml"
TILDES = f"{K3S_FILE}.d/~~fleet.yaml"
OURS = ("conntrack-max-per-core=1", "conntrack-min=1048576")


def files_of(texts: Mapping[str, str]) -> Mapping[str, NodeFile]:
    return {path: NodeFile(path=path, kind="file", content=text.encode()) for path, text in texts.items()}


def merged(files: Mapping[str, NodeFile], file: RenderedFile, name: str = "k3s-server") -> tuple[str, ...]:
    after = {**files, file.path: NodeFile(path=file.path, kind="file", content=file.content)}
    return k3s_list(process(name), after, "kube-proxy-arg")


@pytest.mark.parametrize(
    ("texts", "path", "arguments"),
    [
        ({}, ZZ, OURS),
        ({K3S_FILE: "kube-proxy-arg: [v=4]\n"}, ZZ, ("v=4", *OURS)),
        ({K3S_FILE: "kube-proxy-arg: v=4\n"}, ZZ, ("v=4", *OURS)),
        ({K3S_FILE: "kube-proxy-arg: [conntrack-min=5]\n"}, ZZ, ("conntrack-min=5", *OURS)),
        (
            {K3S_FILE: "kube-proxy-arg: [v=4]\n", f"{K3S_FILE}.d/99-own.yaml": "kube-proxy-arg: [v=5]\n"},
            ZZ,
            ("v=5", *OURS),
        ),
        (
            {K3S_FILE: "kube-proxy-arg: [v=4]\n", f"{K3S_FILE}.d/zzz.yaml": "kube-proxy-arg+: [v=5]\n"},
            ZZ,
            ("v=4", *OURS, "v=5"),
        ),
        ({f"{K3S_FILE}.d/zzz.yaml": "kube-proxy-arg: [v=5]\n"}, TILDES, ("v=5", *OURS)),
        (
            {f"{K3S_FILE}.d/zzz.yaml": "kube-proxy-arg+: [conntrack-min=5]\n"},
            TILDES,
            ("conntrack-min=5", *OURS),
        ),
        ({ZZ: "kube-proxy-arg+: [conntrack-min=7]\n"}, ZZ, OURS),
        ({TILDES: "kube-proxy-arg+: [conntrack-min=7]\n"}, TILDES, OURS),
    ],
)
def test_the_operators_arguments_stay_and_ours_count(
    texts: Mapping[str, str], path: str, arguments: tuple[str, ...]
) -> None:
    files = files_of(texts)
    file = snippet(files=files)
    assert file.path == path
    assert merged(files, file) == arguments


def test_a_file_that_replaces_whatever_comes_before_it_is_named() -> None:
    last = f"{K3S_FILE}.d/~~~.yaml"
    with pytest.raises(RenderError, match=rf"{last}:2 replaces or repeats .* write kube-proxy-arg\+ in that file"):
        snippet(files=files_of({last: "# ours\nkube-proxy-arg: v=5\n"}))


def test_arguments_of_the_unit_replace_every_file_and_are_named() -> None:
    unit = "/etc/systemd/system/k3s.service"
    files = files_of({unit: "[Service]\nExecStart=/usr/local/bin/k3s server --kube-proxy-arg=v=4\n"})
    with pytest.raises(RenderError, match=rf"{unit}:2 replaces or repeats .* add the arguments there"):
        snippet(files=files)


def test_rke2_has_a_directory_of_its_own() -> None:
    file = snippet(name="rke2-agent")
    assert file.path == "/etc/rancher/rke2/config.yaml.d/zz-fleet.yaml"
    assert merged({}, file, "rke2-agent") == OURS


def test_k3s_then_writes_the_limit_that_was_asked_for() -> None:
    """The whole way: the file on a node of 64 cores, and the writer that fleet finds there."""
    file = snippet()
    facts = node(files={file.path: file.content.decode()}, processes=(process("k3s-server"),))
    writers = writers_of(facts, "net.netfilter.nf_conntrack_max")
    assert {writer.value for writer in writers} == {"1048576"}


def test_a_broken_file_of_the_node_is_an_error_with_its_line() -> None:
    with pytest.raises(RenderError, match=f"the configuration of k3s-server: {K3S_FILE}:2:1: not valid YAML"):
        snippet(files=files_of({K3S_FILE: "a: [\n"}))


def test_kube_proxy_reads_the_patch_as_it_is_meant() -> None:
    document = parse(patch().encode(), PROXY_FILE)
    assert document.data == {
        "conntrack": {
            "maxPerCore": 1,
            "min": 1_048_576,
            "tcpBeLiberal": True,
            "tcpEstablishedTimeout": "86400s",
        },
        "ipvs": {"tcpTimeout": "900s"},
    }


def test_a_kube_proxy_with_the_patch_writes_what_was_asked_for() -> None:
    facts = node(files={PROXY_FILE: patch()}, processes=(process("kube-proxy", f"--config={PROXY_FILE}"),))
    values = {
        key: only(writers_of(facts, f"net.netfilter.nf_conntrack_{key}")).value
        for key in ("max", "tcp_timeout_established", "tcp_be_liberal")
    }
    assert values == {"max": "1048576", "tcp_timeout_established": "86400", "tcp_be_liberal": "1"}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("conntrack.max", 1, r"name: 'conntrack\.max' is none of conntrack\.maxPerCore"),
        ("conntrack", 1, "name: 'conntrack' is none of"),
        ("conntrack.min", True, r"value of conntrack\.min: 'True' is not a whole number"),
        ("conntrack.min", -1, r"value of conntrack\.min: '-1' is not a whole number from 0"),
        ("conntrack.tcpBeLiberal", 1, r"value of conntrack\.tcpBeLiberal: 1 is neither true nor false"),
    ],
)
def test_a_field_that_kube_proxy_would_refuse_is_refused(name: str, value: int, message: str) -> None:
    with pytest.raises(RenderError, match=message):
        patch((name, value))


def test_a_name_that_comes_twice_is_refused() -> None:
    with pytest.raises(RenderError, match=r"name: 'conntrack\.min' comes twice"):
        patch(("conntrack.min", 1), ("conntrack.min", 2))
    with pytest.raises(RenderError, match="name: 'conntrack-min' comes twice"):
        snippet(("conntrack-min", "1"), ("conntrack-min", "2"))
