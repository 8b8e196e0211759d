import pytest
from support.kernel import node, process
from support.writers import K3S_FILE, only, writers_of

from fleet.kernel.writers import find_writers, settled
from fleet.model.facts import NodeFacts, NodeProcess

_CONFIG = "/var/lib/kubelet/config.yaml"
_SIX = {
    "vm.overcommit_memory": "1",
    "vm.panic_on_oom": "0",
    "kernel.panic": "10",
    "kernel.panic_on_oops": "1",
    "kernel.keys.root_maxkeys": "1000000",
    "kernel.keys.root_maxbytes": "25000000",
}


def _rules(facts: NodeFacts) -> list[str]:
    return [write.rule for write in only(writers_of(facts, "kernel.panic")).writes]


def test_the_kubelet_writes_six_keys() -> None:
    writers = find_writers(node(processes=(process("kubelet"),)))
    assert {writer.key: writer.value for writer in writers} == _SIX
    assert {write.rule for writer in writers for write in writer.writes} == {"sets"}


@pytest.mark.parametrize(
    ("arguments", "content", "rules"),
    [
        ((), None, ["sets"]),
        (("--protect-kernel-defaults",), None, ["demands"]),
        (("--protect-kernel-defaults=true",), None, ["demands"]),
        (("--protect-kernel-defaults=false",), None, ["sets"]),
        ((f"--config={_CONFIG}",), "protectKernelDefaults: true\n", ["demands"]),
        ((f"--config={_CONFIG}",), "protectKernelDefaults: false\n", ["sets"]),
        ((f"--config={_CONFIG}",), "kind: KubeletConfiguration\n", ["sets"]),
        ((f"--config={_CONFIG}", "--protect-kernel-defaults=false"), "protectKernelDefaults: true\n", ["sets"]),
        # The file is not the one that the kubelet reads.
        ((), "protectKernelDefaults: true\n", ["sets"]),
        ((f"--config={_CONFIG}",), None, ["sets", "demands"]),
        ((f"--config={_CONFIG}",), "protectKernelDefaults: (masked)\n", ["sets", "demands"]),
        ((f"--config={_CONFIG}",), "\x00", ["sets", "demands"]),
    ],
)
def test_protection_makes_it_demand_instead(arguments: tuple[str, ...], content: str | None, rules: list[str]) -> None:
    files = {} if content is None else {_CONFIG: content}
    assert _rules(node(processes=(process("kubelet", *arguments),), files=files)) == rules


def test_drop_ins_beat_the_file_in_the_order_of_their_names() -> None:
    directory = "/etc/kubernetes/kubelet.conf.d"
    files = {
        _CONFIG: "protectKernelDefaults: false\n",
        f"{directory}/10-a.conf": "protectKernelDefaults: true\n",
        f"{directory}/20-b.conf": "kind: KubeletConfiguration\n",
    }
    kubelet = process("kubelet", f"--config={_CONFIG}", f"--config-dir={directory}/")
    writer = only(writers_of(node(processes=(kubelet,), files=files), "kernel.panic"))
    assert [write.rule for write in writer.writes] == ["demands"]
    assert f"{directory}/10-a.conf:1 sets protectKernelDefaults" in writer.evidence


_DROP_IN = "/var/lib/rancher/k3s/agent/etc/kubelet.conf.d/50-mine.conf"


@pytest.mark.parametrize(
    ("files", "rules"),
    [
        ({}, ["sets"]),
        ({K3S_FILE: "protect-kernel-defaults: true\n"}, ["demands"]),
        ({K3S_FILE: "kubelet-arg: [protect-kernel-defaults=true]\n"}, ["demands"]),
        ({K3S_FILE: "protect-kernel-defaults: true\nkubelet-arg: [protect-kernel-defaults=false]\n"}, ["sets"]),
        ({_DROP_IN: "protectKernelDefaults: true\n"}, ["demands"]),
        ({K3S_FILE: "\x00"}, ["sets", "demands"]),
        ({K3S_FILE: "protect-kernel-defaults: (masked)\n"}, ["sets", "demands"]),
    ],
)
def test_the_kubelet_inside_k3s_is_told_by_the_configuration_of_k3s(files: dict[str, str], rules: list[str]) -> None:
    assert _rules(node(processes=(process("k3s-agent", "agent"),), files=files)) == rules


@pytest.mark.parametrize("processes", [(process("containerd"),), (process("rke2", "server"),)])
def test_without_a_kubelet_nothing_writes_the_six(processes: tuple[NodeProcess, ...]) -> None:
    assert writers_of(node(processes=processes), "kernel.panic") == []


def test_a_demand_does_not_change_the_value() -> None:
    facts = node(processes=(process("kubelet", "--protect-kernel-defaults"),))
    found = settled("kernel.panic", "0", "0", find_writers(facts))
    assert found.after_reboot.value == "0"
    assert "does not start" in only(writers_of(facts, "kernel.panic")).condition
