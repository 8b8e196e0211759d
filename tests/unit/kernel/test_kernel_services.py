"""What units do before their services start, and which service a process belongs to."""

from dataclasses import replace

import pytest
from support.facts import IDENTITY
from support.kernel import node, process
from support.writers import kube_proxy, only, writers_of

from fleet.kernel.outlook import look_ahead
from fleet.kernel.services import running, service_of, start_values
from fleet.kernel.unitfile import is_enabled, unit_file, units

LIBERAL = "net.netfilter.nf_conntrack_tcp_be_liberal"
MAX = "net.netfilter.nf_conntrack_max"
UNIT = "/etc/systemd/system/kubelet.service"


def given(*lines: str) -> dict[str, str]:
    files = node(files={UNIT: "\n".join(("[Service]", *lines, ""))}).files
    return {key: start.value for key, start in start_values(files, "kubelet").items()}


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("ExecStartPre=-/sbin/sysctl -w net.ipv4.ip_forward=1", {"net.ipv4.ip_forward": "1"}),
        (
            'ExecStartPre=/usr/sbin/sysctl -q "net.ipv4.ip_local_port_range=1024\t65000"',
            {"net.ipv4.ip_local_port_range": "1024 65000"},
        ),
        ("ExecStartPre=sysctl net/ipv4/conf/eth0.1/rp_filter=2", {"net.ipv4.conf.eth0/1.rp_filter": "2"}),
        ("ExecStartPre=-/sbin/sysctl -w a.b=1 c.d=2", {"a.b": "1", "c.d": "2"}),
        ("ExecStartPre=/bin/sh -c 'sysctl -w a.b=1'", {}),
        ("ExecStartPre=/bin/echo sysctl a.b=1", {}),
        ("ExecStartPre=/sbin/sysctl -w 'a.b=1", {}),
        ("ExecStart=/sbin/sysctl -w a.b=1", {}),
    ],
)
def test_the_assignments_of_a_unit_are_read_as_systemd_reads_them(line: str, values: dict[str, str]) -> None:
    assert given(line) == values


def test_the_last_line_about_a_key_counts() -> None:
    assert given("ExecStartPre=-/sbin/sysctl -w a.b=1", "ExecStartPre=-/sbin/sysctl -w a.b=2") == {"a.b": "2"}
    assert given("ExecStartPre=-/sbin/sysctl -w a.b=1", "ExecStartPre=") == {}


@pytest.mark.parametrize(
    ("name", "arguments", "service"),
    [
        ("kubelet", (), "kubelet"),
        ("k3s-server", (), "k3s"),
        ("k3s", ("server",), "k3s"),
        ("k3s-agent", (), "k3s-agent"),
        ("rke2", ("agent",), "rke2-agent"),
        ("rke2-server", (), "rke2-server"),
        ("kube-proxy", (), None),
        ("k3s-etcd", (), None),
    ],
)
def test_a_process_belongs_to_the_unit_of_its_installer(name: str, arguments: tuple[str, ...], service: str) -> None:
    assert service_of(process(name, *arguments)) == service


def test_a_unit_of_a_service_that_runs_is_a_writer() -> None:
    line = f"ExecStartPre=-/sbin/sysctl -w {LIBERAL}=0"
    facts = node(files={UNIT: f"[Service]\n{line}\n"}, processes=(process("kubelet"),))
    writer = only(writers_of(facts, LIBERAL))
    assert (writer.name, writer.when, writer.value, writer.place) == ("kubelet.service", "service start", "0", UNIT)
    assert writer.evidence[-1] == f"{UNIT}:2 has -/sbin/sysctl -w {LIBERAL}=0"
    assert writers_of(replace(facts, processes=()), LIBERAL) == []
    assert writers_of(replace(facts, identity=replace(IDENTITY, init="init")), LIBERAL) == []


def test_what_the_service_writes_itself_comes_after_its_unit() -> None:
    unit = {"/etc/systemd/system/k3s.service": f"[Service]\nExecStartPre=-/sbin/sysctl -w {MAX}=4096\n"}
    facts = node(sysctls={MAX: "4096"}, files=unit, processes=(process("k3s-server", "server"),))
    assert running(facts) == {"k3s"}
    assert look_ahead(facts, [MAX]).keys[MAX].after_reboot.value == "131072"


def test_kube_proxy_comes_after_the_unit_of_the_kubelet_that_starts_it() -> None:
    unit = {UNIT: f"[Service]\nExecStartPre=-/sbin/sysctl -w {MAX}=4096\n"}
    facts = node(sysctls={MAX: "4096"}, files=unit, processes=(process("kubelet"), kube_proxy(minor=31)))
    assert look_ahead(facts, [MAX]).keys[MAX].after_reboot.value == "131072"


def test_units_are_found_where_they_are_and_not_where_they_are_masked() -> None:
    files = node(
        files={
            "/usr/lib/systemd/system/kubelet.service": "[Service]\n",
            "/usr/lib/systemd/system/k3s.service": "[Service]\n",
            "/etc/systemd/system/k3s.service": "-> /dev/null",
            "/etc/systemd/system/multi-user.target.wants/kubelet.service": "[Service]\n",
            "/etc/systemd/system/own.service.d/multi-user.target.wants/own.service": "",
        }
    ).files
    assert units(files) == ("kubelet",)
    assert unit_file(files, "k3s") is None
    assert [is_enabled(files, f"{name}.service") for name in ("kubelet", "k3s", "own")] == [True, False, False]
