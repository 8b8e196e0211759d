"""What holds for every plan, whatever the node."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from support.kernel import node, process
from support.plans import applied, every_profile, judged, plan_of, plan_text, planned
from support.writers import kube_proxy

from fleet.kernel.boot import BootSet, resolve_boot
from fleet.kernel.values import equal
from fleet.model.facts import Ipvs, IpvsTimeouts, NodeFacts
from fleet.policy.on_node import OnNode

POLICY = replace(every_profile(), on_node=OnNode(every=900, textfile_dir="/var/lib/metrics"))
VALUES = {
    "net.netfilter.nf_conntrack_tcp_be_liberal": ("0", "1"),
    "net.netfilter.nf_conntrack_max": ("4096", "131072", "262144", "1048576"),
    "net.netfilter.nf_conntrack_buckets": ("1024", "65536", "262144"),
    "net.netfilter.nf_conntrack_tcp_timeout_established": ("600", "86400", "432000", "604800"),
    "net.netfilter.nf_conntrack_tcp_timeout_close_wait": ("1", "60", "3600", "7200"),
    "net.ipv4.tcp_fin_timeout": ("1", "60", "600"),
    "net.ipv4.tcp_keepalive_time": ("60", "600", "7200", "32767"),
    "net.ipv4.ip_local_port_range": ("32768 60999", "1024 65535"),
    "net.ipv4.ip_local_reserved_ports": ("", "8080", "30000-32767"),
    "net.ipv4.ip_forward": ("0", "1"),
    "vm.overcommit_memory": ("0", "1"),
    "net.ipv4.vs.conntrack": ("0", "1"),
}
PATHS = (
    "/etc/sysctl.d/10-a.conf",
    "/etc/sysctl.d/90-fleet.conf",
    "/etc/sysctl.d/95-b.conf",
    "/usr/lib/sysctl.d/50-default.conf",
    "/etc/sysctl.d/zzzz.conf",
    "/etc/sysctl.conf",
)
MODULES = ("", "nf_conntrack\n", "nf_conntrack\nbr_netfilter\n")
PROCESSES = {
    "none": (),
    "kubelet": (process("kubelet"),),
    "k3s": (process("k3s-server", "server"),),
    "kube-proxy": (process("kubelet"), kube_proxy("--proxy-mode=iptables", minor=31)),
    "ipvs": (process("kubelet"), kube_proxy("--proxy-mode=ipvs", minor=31)),
    "ipvs timeouts": (process("kubelet"), kube_proxy("--proxy-mode=ipvs", "--ipvs-tcp-timeout=900s", minor=31)),
}
UNITS = {
    "/usr/lib/systemd/system/kubelet.service": "[Service]\nExecStart=/usr/bin/kubelet\n",
    "/etc/systemd/system/k3s.service": "[Service]\nExecStartPre=-/sbin/modprobe br_netfilter\nExecStart=/k3s server\n",
    "/etc/systemd/system/kubelet.service.d/90-fleet.conf": (
        "# Managed by fleet\n[Service]\nExecStartPre=-/sbin/sysctl -w net.netfilter.nf_conntrack_max=4096\n"
    ),
    "/etc/systemd/system/kubelet.service.d/own.conf": (
        "[Service]\nExecStartPre=-/sbin/sysctl -w net.netfilter.nf_conntrack_tcp_be_liberal=0\n"
    ),
    "/etc/systemd/system/own.service": "[Service]\nExecStart=/sbin/ipvsadm --set 8000 0 100\n",
    "/etc/systemd/system/multi-user.target.wants/own.service": "",
}


@st.composite
def nodes(draw: st.DrawFn) -> NodeFacts:
    live = {key: draw(st.sampled_from(values)) for key, values in VALUES.items() if draw(st.integers(0, 3))}
    files = {
        path: "".join(f"{key} = {draw(st.sampled_from(VALUES[key]))}\n" for key in draw(st.sets(keys, max_size=3)))
        for path in draw(st.sets(st.sampled_from(PATHS), max_size=3))
    }
    if modules := draw(st.sampled_from(MODULES)):
        files["/etc/modules-load.d/node.conf"] = modules
    if draw(st.booleans()):
        files["/etc/modprobe.d/own.conf"] = "options nf_conntrack hashsize=32768\n"
    files["/proc/cmdline"] = "quiet\n"
    files |= {path: UNITS[path] for path in draw(st.sets(st.sampled_from(sorted(UNITS))))}
    processes = PROCESSES[draw(st.sampled_from(sorted(PROCESSES)))]
    tcp, tcp_fin, udp = (draw(st.sampled_from(each)) for each in ((900, 7440, 86400), (10, 120), (5, 300)))
    timeouts = IpvsTimeouts(tcp=tcp, tcp_fin=tcp_fin, udp=udp)
    ipvs = Ipvs(timeouts=timeouts, services=draw(st.integers(0, 1)), connections=0)
    return node(sysctls=live, files=files, processes=processes, ipvs=ipvs)


keys = st.sampled_from(sorted(VALUES))


@settings(max_examples=200, deadline=None)
@given(facts=nodes())
def test_a_plan_that_was_applied_leaves_nothing_to_plan_and_holds_what_it_claimed(facts: NodeFacts) -> None:
    plan = planned(POLICY, facts)
    after = applied(facts, plan)
    again = planned(POLICY, after)
    assert again.changes == ()
    assert {each.target for each in again.refused} <= {each.target for each in plan.refused}
    claimed = {control for change in plan.changes for control in change.controls}
    left = {each.control: each.reason for each in judged(POLICY, after).findings if each.status == "fail"}
    assert {control: left[control] for control in claimed & left.keys()} == {}


@settings(max_examples=60, deadline=None)
@given(facts=nodes())
def test_every_line_that_is_planned_decides_at_the_boot(facts: NodeFacts) -> None:
    plan = planned(POLICY, facts)
    lines = {
        key: value
        for change in plan.changes
        if change.kind == "file" and "/sysctl.d/" in change.target
        for line in change.diff.splitlines()
        if line.startswith("+") and " = " in line
        for key, _, value in [line[1:].partition(" = ")]
    }
    boot = resolve_boot(applied(facts, plan), lines)
    left = {key: value.value if isinstance(value, BootSet) else str(value) for key, value in boot.items()}
    assert {key: value for key, value in left.items() if not equal(key, value, lines[key])} == {}


@settings(max_examples=30, deadline=None)
@given(facts=nodes())
def test_the_same_facts_give_the_same_bytes(facts: NodeFacts) -> None:
    assert plan_text(plan_of({"a": planned(POLICY, facts)})) == plan_text(plan_of({"a": planned(POLICY, facts)}))
