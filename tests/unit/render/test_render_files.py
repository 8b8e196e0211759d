"""What is rendered, compared with reviewed files and read back as the node reads it."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from support.golden import assert_golden
from support.kernel import node
from support.render import PLAYBOOK, SETTINGS, TEMPLATES, drop_in, ipvs, line, modprobe, modules, patch, snippet, sysctl

from fleet.kernel.boot import BootSet, resolve_boot
from fleet.kernel.boot.module import hashsize, state_of
from fleet.kernel.services import Service
from fleet.kernel.unitfile import unit_commands
from fleet.kernel.units import SERVICES, unguarded_lines
from fleet.model.facts import NodeFacts
from fleet.render import RenderedFile, RenderError, modules_file

SERVICES_WITH_DROP_IN: tuple[Service, ...] = ("kubelet", "k3s", "k3s-agent", "rke2-server", "rke2-agent")


def on_node(*rendered: RenderedFile, **overrides: object) -> NodeFacts:
    files = {"/proc/cmdline": "quiet\n"} | {file.path: file.content.decode() for file in rendered}
    return node(files=files, **overrides)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("sysctl.conf", sysctl()),
        ("modules-load.conf", modules()),
        ("modprobe.conf", modprobe()),
        ("ipvs-timeouts.service", ipvs()),
        ("kubelet.conf", drop_in("kubelet")),
        ("k3s-agent.conf", drop_in("k3s-agent")),
        ("k3s-config.yaml", snippet()),
    ],
)
def test_files_are_as_reviewed(name: str, file: RenderedFile) -> None:
    assert_golden(f"render/{name}", file.content.decode())
    assert file.mode == 0o644


def test_the_patch_is_as_reviewed() -> None:
    assert_golden("render/kube-proxy.yaml", patch())


def test_another_process_renders_the_same_bytes() -> None:
    code = (
        "import hashlib; from support.render import *;"
        "files = [sysctl(), modules(), modprobe(), ipvs(), drop_in(), snippet()];"
        "print(hashlib.sha256(b''.join(f.content for f in files) + patch().encode()).hexdigest())"
    )
    tests = Path(__file__).parents[2]
    answers = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": f"{tests}:{tests.parent}", "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(answers) == 1


def test_controls_are_named_once_in_order() -> None:
    assert sysctl().controls == ("conntrack-max", "conntrack-be-liberal", "ports")


def test_the_resolver_reads_back_what_was_asked_for() -> None:
    keys = [each.key for each in SETTINGS]
    values = resolve_boot(on_node(sysctl(), modules("nf_conntrack"), sysctls=dict.fromkeys(keys, "0")), keys)
    found = {key: value.value for key, value in values.items() if isinstance(value, BootSet)}
    assert found == {each.key: " ".join(each.value.split()) for each in SETTINGS}


def test_modules_are_loaded_before_sysctl() -> None:
    facts = on_node(modules("nf_conntrack", "br_netfilter"))
    assert [state_of(facts, module).loaded for module in ("nf_conntrack", "br_netfilter", "ip_vs")] == [
        True,
        True,
        False,
    ]


def test_the_hash_table_has_its_buckets() -> None:
    found = hashsize(on_node(modprobe(buckets=131_072)))
    assert found is not None
    assert not isinstance(found, str)
    assert found.value == "131072"


@pytest.mark.parametrize("service", SERVICES_WITH_DROP_IN)
def test_drop_ins_load_modules_first_and_never_stop_their_service(service: Service) -> None:
    file = drop_in(service)
    facts = on_node(file)
    assert unguarded_lines(facts) == ()
    assert [command.text for command in unit_commands(facts.files, service, "ExecStartPre")] == [
        "-/sbin/modprobe nf_conntrack",
        '-/sbin/sysctl -w "net.netfilter.nf_conntrack_max=1048576"',
        '-/sbin/sysctl -w "net.netfilter.nf_conntrack_tcp_be_liberal=1"',
        '-/sbin/sysctl -w "net.ipv4.ip_local_port_range=32768 60999"',
        '-/sbin/sysctl -w "net.ipv4.ip_local_reserved_ports=8080,30000-32767"',
    ]
    assert b"Restart" not in file.content
    assert set(SERVICES_WITH_DROP_IN) < set(SERVICES)


def test_each_module_of_a_drop_in_is_loaded_once() -> None:
    settings = (line("net.bridge.bridge-nf-call-iptables", "1"), line("net.ipv4.vs.conn_reuse_mode", "0"))
    commands = unit_commands(on_node(drop_in("k3s", *settings, *SETTINGS)).files, "k3s", "ExecStartPre")
    assert [each.text for each in commands if "modprobe" in each.text] == [
        "-/sbin/modprobe br_netfilter",
        "-/sbin/modprobe ip_vs",
        "-/sbin/modprobe nf_conntrack",
    ]


def test_the_ipvs_unit_sets_all_three_timeouts() -> None:
    facts = on_node(ipvs(tcp=900, tcp_fin=0, udp=30))
    commands = unit_commands(facts.files, "fleet-ipvs-timeouts", "ExecStart")
    assert [command.text for command in commands] == ["/sbin/ipvsadm --set 900 0 30"]


def test_one_key_with_two_values_is_refused() -> None:
    again = line("net.ipv4.tcp_fin_timeout", "30")
    with pytest.raises(RenderError, match=r"key: net\.ipv4\.tcp_fin_timeout is set twice"):
        sysctl(again, replace(again, value="60"))


def test_nothing_to_write_is_refused() -> None:
    with pytest.raises(RenderError, match="nothing to write"):
        modules_file(TEMPLATES, path="/etc/modules-load.d/fleet.conf", modules=(), playbook=PLAYBOOK)
