"""The timeouts of IPVS, now and after the next boot."""

from dataclasses import replace

import pytest
from support.facts import IDENTITY, NOT_LOADED
from support.kernel import node, process
from support.writers import kube_proxy, only, writers_of

from fleet.kernel.boot import BootSet, BootUnknown, BootUnset
from fleet.kernel.ipvs import ipvs_boot
from fleet.kernel.keys_ipvs import TCP, TCP_FIN, UDP
from fleet.kernel.outlook import look_ahead
from fleet.model.facts import Ipvs, IpvsTimeouts, NodeFacts

LOADED = Ipvs(timeouts=IpvsTimeouts(tcp=900, tcp_fin=120, udp=300), services=1, connections=0)


def unit(command: str, name: str = "own", *, enabled: bool = True) -> dict[str, str]:
    path = f"/etc/systemd/system/{name}.service"
    link = {f"/etc/systemd/system/multi-user.target.wants/{name}.service": ""} if enabled else {}
    return {path: f"[Service]\n{command}\n", **link}


def ipvs_node(files: dict[str, str], **overrides: object) -> NodeFacts:
    fields: dict[str, object] = {"ipvs": LOADED}
    return node(files=files, **(fields | overrides))


@pytest.mark.parametrize(
    "command",
    [
        "ExecStart=/sbin/ipvsadm --set 8000 0 100",
        "ExecStartPost=-/usr/sbin/ipvsadm --set 8000 0 100",
        "ExecStart=/bin/sh -c 'modprobe ip_vs; ipvsadm  --set  8000 0 100'",
    ],
)
def test_an_enabled_unit_keeps_the_timeouts_that_it_sets(command: str) -> None:
    boot = ipvs_boot(ipvs_node(unit(command)))
    assert isinstance(boot[TCP], BootSet)
    assert (boot[TCP].value, str(boot[TCP].winner.origin)) == ("8000", "/etc/systemd/system/own.service:2")
    assert isinstance(boot[TCP_FIN], BootUnset)
    assert isinstance(boot[UDP], BootSet)


@pytest.mark.parametrize(
    ("files", "overrides"),
    [
        (unit("ExecStart=/sbin/ipvsadm --set 8000 0 100", enabled=False), {}),
        (unit("ExecStart=/sbin/ipvsadm --set 8000 0 100"), {"identity": replace(IDENTITY, init="init")}),
        (unit("ExecStart=/sbin/ipvsadm -l --timeout"), {}),
        (unit("ExecStop=/sbin/ipvsadm --set 8000 0 100"), {}),
        (unit("# ExecStart=/sbin/ipvsadm --set 8000 0 100"), {}),
    ],
)
def test_anything_else_keeps_nothing_and_the_kernel_starts_with_its_own(
    files: dict[str, str], overrides: dict[str, object]
) -> None:
    facts = ipvs_node(files, **overrides)
    outlook = look_ahead(facts, [TCP]).keys[TCP]
    assert (outlook.live, outlook.file_value, outlook.after_reboot.value) == ("900", None, "900")


def test_of_two_units_with_different_values_none_is_claimed_to_win() -> None:
    files = unit("ExecStart=/sbin/ipvsadm --set 1 0 0") | unit("ExecStart=/sbin/ipvsadm --set 2 0 0", "other")
    boot = ipvs_boot(ipvs_node(files))[TCP]
    assert isinstance(boot, BootUnknown)
    assert "other.service:2 and /etc/systemd/system/own.service:2" in boot.reason
    same = unit("ExecStart=/sbin/ipvsadm --set 2 0 0") | unit("ExecStart=/sbin/ipvsadm --set 2 0 0", "other")
    assert isinstance(ipvs_boot(ipvs_node(same))[TCP], BootSet)


def test_a_kube_proxy_sets_what_it_is_given_and_leaves_the_rest() -> None:
    proxy = kube_proxy("--proxy-mode=ipvs", "--ipvs-tcp-timeout=15m", "--ipvs-udp-timeout=0s", minor=31)
    facts = ipvs_node(unit("ExecStart=/sbin/ipvsadm --set 8000 60 100"), processes=(process("kubelet"), proxy))
    assert only(writers_of(facts, TCP)).value == "900"
    assert writers_of(facts, TCP_FIN) == writers_of(facts, UDP) == []
    later = {key: each.after_reboot.value for key, each in look_ahead(facts, [TCP, TCP_FIN, UDP]).keys.items()}
    assert {key: later[key] for key in (TCP, TCP_FIN, UDP)} == {TCP: "900", TCP_FIN: "60", UDP: "100"}


def test_in_another_mode_kube_proxy_leaves_them() -> None:
    proxy = kube_proxy("--proxy-mode=iptables", "--ipvs-tcp-timeout=15m", minor=31)
    assert writers_of(ipvs_node({}, processes=(process("kubelet"), proxy)), TCP) == []


def test_both_udp_timeouts_of_a_configuration_are_told_apart() -> None:
    path = "/var/lib/kube-proxy/config.conf"
    text = "kind: KubeProxyConfiguration\nmode: ipvs\nconntrack: {udpTimeout: 40s}\nipvs: {udpTimeout: 50s}\n"
    facts = ipvs_node({path: text}, processes=(process("kubelet"), kube_proxy(f"--config={path}", minor=31)))
    assert only(writers_of(facts, UDP)).value == "50"
    assert only(writers_of(facts, "net.netfilter.nf_conntrack_udp_timeout")).value == "40"


def test_without_the_module_nothing_is_known_of_now() -> None:
    facts = ipvs_node({}, ipvs=Ipvs(timeouts=NOT_LOADED, services=NOT_LOADED, connections=NOT_LOADED))
    assert look_ahead(facts, [TCP]).keys[TCP].live is None
