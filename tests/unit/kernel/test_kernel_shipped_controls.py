"""The shipped profiles, held against nodes as they are found."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

import pytest
from support.facts import CONNTRACK, IDENTITY
from support.kernel import node, process

from fleet.kernel.catalogue import KEYS
from fleet.kernel.invalid import BE_LIBERAL
from fleet.kernel.outlook import look_ahead
from fleet.kernel.version import parse_release
from fleet.model.facts import InvalidRule, Ipvs, IpvsTimeouts, Listener, NodeFacts
from fleet.model.finding import Finding
from fleet.policy.context import make_context
from fleet.policy.control import Policy
from fleet.policy.evaluate import evaluate
from fleet.policy.expression import Expression
from fleet.policy.host import HostView
from fleet.policy.playbook import load_playbook

_PLAYBOOKS = Path(__file__).parents[3] / "playbooks"
_HOST = HostView(name="node-1", groups=(), data={}, address="node-1")
_RULE = InvalidRule(backend="iptables-nft", text="-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP")
_KUBE_PROXY = (process("kubelet"), process("kube-proxy"))

# What depends on the machine, as a kernel with 16 GiB chooses it.
_BY_MACHINE = {
    "net.netfilter.nf_conntrack_max": "262144",
    "net.netfilter.nf_conntrack_buckets": "262144",
    "net.ipv4.tcp_max_tw_buckets": "65536",
    "net.ipv4.tcp_max_syn_backlog": "1024",
    "kernel.panic_on_oops": "0",
}
_BY_KUBERNETES = {
    "net.netfilter.nf_conntrack_max": "131072",
    "net.netfilter.nf_conntrack_tcp_timeout_established": "86400",
    "net.netfilter.nf_conntrack_tcp_timeout_close_wait": "3600",
    "net.ipv4.ip_forward": "1",
    "vm.overcommit_memory": "1",
    "kernel.panic": "10",
    "kernel.panic_on_oops": "1",
}


@cache
def _policy() -> Policy:
    return load_playbook(_PLAYBOOKS / "stop-conntrack-resets.yaml")


def _kernel_defaults(release: str) -> dict[str, str]:
    version = parse_release(release)
    known = {name: key.default_for(version) for name, key in KEYS.items()}
    return {name: value for name, value in known.items() if value is not None} | _BY_MACHINE


def _node(sysctls: Mapping[str, str] | None = None, **overrides: object) -> NodeFacts:
    return node(sysctls=_kernel_defaults("6.1.0-18-amd64") | dict(sysctls or {}), kept=True, **overrides)


def _kube_node(sysctls: Mapping[str, str] | None = None, **overrides: object) -> NodeFacts:
    defaults: dict[str, object] = {
        "processes": _KUBE_PROXY,
        "invalid_rules": (_RULE,),
        "conntrack": replace(CONNTRACK, max=131_072),
    }
    return _node(_BY_KUBERNETES | dict(sysctls or {}), **(defaults | overrides))


def _findings(facts: NodeFacts) -> dict[str, Finding]:
    findings = evaluate(_policy(), facts, host=_HOST, today=date(2026, 11, 20)).findings
    return {finding.control: finding for finding in findings}


def _with_status(facts: NodeFacts, status: str) -> set[str]:
    return {finding.control for finding in _findings(facts).values() if finding.status == status}


def test_both_playbooks_load() -> None:
    assert len(_policy().controls) > len(load_playbook(_PLAYBOOKS / "conntrack-only.yaml").controls) > 0


def test_each_sysctl_that_is_judged_is_known_to_the_catalogue() -> None:
    assert {c.setting.target for c in _policy().controls if c.setting.kind == "sysctl"} <= set(KEYS)


def test_each_control_has_a_reason_and_a_source() -> None:
    assert all(control.why and control.sources for control in _policy().controls)


@pytest.mark.parametrize("release", ["5.10.0-28-amd64", "6.1.0-18-amd64", "6.18.44"])
def test_a_machine_at_kernel_defaults_has_one_fault_and_one_warning(release: str) -> None:
    facts = node(sysctls=_kernel_defaults(release), kept=True, identity=replace(IDENTITY, kernel=release))
    assert _with_status(facts, "fail") == {"conntrack-be-liberal"}
    assert _with_status(facts, "warn") == {"tcp-keepalive-time"}
    assert _with_status(facts, "error") == set()


def test_a_default_node_of_kube_proxy_has_one_fault_and_one_warning() -> None:
    assert _with_status(_kube_node(), "fail") == {"conntrack-be-liberal"}
    assert _with_status(_kube_node(), "warn") == {"tcp-keepalive-time"}
    assert _with_status(_kube_node(), "error") == set()


def test_a_hardened_node_passes() -> None:
    facts = _kube_node({BE_LIBERAL: "1", "net.ipv4.tcp_keepalive_time": "600"}, invalid_rules=())
    assert _with_status(facts, "fail") | _with_status(facts, "warn") == set()


def test_a_sysctl_control_passes_on_the_value_that_it_would_write() -> None:
    for facts in (_node(), _kube_node(), _kube_node(identity=replace(IDENTITY, cores=64))):
        context = make_context(facts, _policy().variables, {}, look_ahead(facts, ()))
        written = {
            control.setting.target: value.evaluate(context) if isinstance(value, Expression) else value
            for control in _policy().controls
            if control.setting.kind == "sysctl" and (value := control.set) is not None
        }
        repaired = replace(
            facts,
            sysctls=(new := _node({key: str(value) for key, value in written.items()})).sysctls,
            files=new.files,
        )
        findings = _findings(repaired)
        for control in _policy().controls:
            if control.setting.target in written:
                assert findings[control.id].status in {"pass", "skip"}, findings[control.id]


@pytest.mark.parametrize(
    ("sysctls", "control", "status"),
    [
        ({"net.netfilter.nf_conntrack_max": "65536"}, "conntrack-max", "fail"),
        ({"net.netfilter.nf_conntrack_buckets": "16384"}, "conntrack-buckets", "fail"),
        ({BE_LIBERAL: "0"}, "conntrack-be-liberal", "fail"),
        ({"net.netfilter.nf_conntrack_tcp_loose": "0"}, "conntrack-loose", "fail"),
        ({"net.netfilter.nf_conntrack_log_invalid": "6"}, "conntrack-log-invalid", "fail"),
        ({"net.netfilter.nf_conntrack_tcp_timeout_established": "3600"}, "conntrack-timeout-established", "fail"),
        ({"net.netfilter.nf_conntrack_tcp_timeout_established": "0"}, "conntrack-timeout-established", "fail"),
        ({"net.netfilter.nf_conntrack_tcp_timeout_close_wait": "10"}, "conntrack-timeout-close-wait", "fail"),
        ({"net.netfilter.nf_conntrack_tcp_timeout_time_wait": "30"}, "conntrack-timeout-time-wait", "warn"),
        ({"net.netfilter.nf_conntrack_tcp_timeout_time_wait": "0"}, "conntrack-timeout-time-wait", "fail"),
        ({"net.netfilter.nf_conntrack_tcp_timeout_unacknowledged": "30"}, "conntrack-timeout-unacknowledged", "fail"),
        ({"net.ipv4.tcp_keepalive_time": "14400"}, "tcp-keepalive-time", "fail"),
        ({"net.ipv4.tcp_fin_timeout": "-1"}, "tcp-fin-timeout", "fail"),
        ({"net.ipv4.tcp_fin_timeout": "15"}, "tcp-fin-timeout", "pass"),
        ({"net.ipv4.tcp_tw_reuse": "0"}, "tcp-tw-reuse", "fail"),
        ({"net.ipv4.tcp_timestamps": "0"}, "tcp-timestamps", "fail"),
        ({"net.ipv4.tcp_max_tw_buckets": "1000"}, "tcp-max-tw-buckets", "fail"),
        ({"net.ipv4.tcp_retries2": "3"}, "tcp-retries2", "fail"),
        ({"net.core.somaxconn": "128"}, "tcp-somaxconn", "fail"),
        ({"net.ipv4.tcp_syncookies": "0"}, "tcp-syncookies", "fail"),
        ({"net.ipv4.tcp_abort_on_overflow": "1"}, "tcp-abort-on-overflow", "fail"),
        ({"net.ipv4.ip_local_port_range": "1024 65535"}, "ports-avoid-node-ports", "fail"),
        ({"net.ipv4.ip_local_port_range": "60000 60999"}, "ports-enough", "fail"),
        ({"net.ipv4.ip_forward": "0"}, "node-ip-forward", "fail"),
        ({"net.ipv4.conf.all.rp_filter": "1"}, "node-rp-filter-all", "fail"),
        ({"net.ipv4.conf.default.rp_filter": "2"}, "node-rp-filter-default", "pass"),
        ({"vm.panic_on_oom": "1"}, "kubelet-panic-on-oom", "fail"),
        ({"kernel.keys.root_maxkeys": "200"}, "kubelet-root-maxkeys", "fail"),
        ({"kernel.keys.root_maxkeys": "2000000"}, "kubelet-root-maxkeys", "warn"),
    ],
)
def test_a_bad_value_is_found(sysctls: dict[str, str], control: str, status: str) -> None:
    assert _findings(_kube_node(sysctls))[control].status == status


def test_reserved_node_ports_may_lie_in_the_range() -> None:
    wide = {"net.ipv4.ip_local_port_range": "1024 65535", "net.ipv4.ip_local_reserved_ports": "30000-32767"}
    assert _findings(_kube_node(wide))["ports-avoid-node-ports"].status == "skip"
    half = wide | {"net.ipv4.ip_local_reserved_ports": "30000-31000"}
    assert _findings(_kube_node(half))["ports-avoid-node-ports"].status == "fail"


def test_a_daemon_in_the_range_of_outgoing_connections_is_named() -> None:
    facts = _node(listeners=(Listener(protocol="tcp", address="0.0.0.0", port=45_678),))
    finding = _findings(facts)["ports-reserve-listeners"]
    assert finding.status == "fail"
    assert "45678" in finding.reason


@pytest.mark.parametrize(("count", "status"), [(90_000, "pass"), (100_000, "warn"), (120_000, "fail")])
def test_a_table_that_fills_up_is_told_in_time(count: int, status: str) -> None:
    facts = _kube_node(conntrack=replace(CONNTRACK, max=131_072, count=count))
    assert _findings(facts)["conntrack-usage"].status == status


def test_a_table_without_headroom_over_what_is_seen_is_a_warning() -> None:
    facts = _kube_node(conntrack=replace(CONNTRACK, max=131_072, count=70_000))
    assert _findings(facts)["conntrack-max"].status == "warn"


@pytest.mark.parametrize(("cores", "size"), [(4, 131_072), (12, 393_216), (33, 1_048_576), (64, 2_097_152)])
def test_what_any_kube_proxy_computes_is_enough(cores: int, size: int) -> None:
    """1.36 ends at 1048576, those before and k3s go on by cores."""
    facts = _kube_node({"net.netfilter.nf_conntrack_max": str(size)}, identity=replace(IDENTITY, cores=cores))
    assert _findings(facts)["conntrack-max"].status == "pass"


def test_a_maximum_raised_without_its_buckets_is_found() -> None:
    facts = _kube_node(conntrack=replace(CONNTRACK, max=2_097_152, buckets=65_536))
    assert _findings(facts)["conntrack-chain-length"].status == "fail"


@pytest.mark.parametrize(
    ("mode", "rules", "liberal", "status"),
    [
        ("iptables", (_RULE,), "0", "pass"),
        ("iptables", (), "0", "fail"),
        ("nftables", (), "0", "fail"),
        ("ipvs", (), "0", "fail"),
        ("nftables", (), "1", "pass"),
    ],
)
def test_protection_against_invalid_segments_is_judged_in_each_mode(
    mode: str, rules: tuple[InvalidRule, ...], liberal: str, status: str
) -> None:
    processes = (process("kubelet"), process("kube-proxy", f"--proxy-mode={mode}"))
    facts = _kube_node({BE_LIBERAL: liberal}, processes=processes, invalid_rules=rules)
    assert _findings(facts)["conntrack-invalid-protection"].status == status


_IPVS_NODE = (process("kubelet"), process("kube-proxy", "--proxy-mode=ipvs"))
_IPVS_KEYS = {
    "net.ipv4.vs.conntrack": "1",
    "net.ipv4.vs.expire_nodest_conn": "1",
    "net.ipv4.vs.expire_quiescent_template": "1",
    "net.ipv4.vs.conn_reuse_mode": "1",
}


def _ipvs(tcp: int) -> Ipvs:
    return Ipvs(timeouts=IpvsTimeouts(tcp=tcp, tcp_fin=120, udp=300), services=3, connections=7)


def test_an_ipvs_node_at_its_defaults_is_told_of_the_fifteen_minutes() -> None:
    facts = _kube_node(_IPVS_KEYS, processes=_IPVS_NODE, ipvs=_ipvs(900))
    failed = {"conntrack-be-liberal", "ipvs-tcp-timeout", "tcp-keepalive-time"}
    # The rule that is there now is a remnant: kube-proxy in IPVS mode does not bring it back.
    failed |= {"conntrack-protection-after-restart"}
    assert _with_status(facts, "fail") == failed


def test_an_ipvs_node_whose_kube_proxy_sets_a_longer_timeout_passes() -> None:
    proxy = process("kube-proxy", "--proxy-mode=ipvs", "--ipvs-tcp-timeout=86400s")
    facts = _kube_node(_IPVS_KEYS, processes=(process("kubelet"), proxy), ipvs=_ipvs(86_400))
    assert _findings(facts)["ipvs-tcp-timeout"].status == "pass"


def test_a_longer_timeout_that_nothing_keeps_is_told() -> None:
    finding = _findings(_kube_node(_IPVS_KEYS, processes=_IPVS_NODE, ipvs=_ipvs(86_400)))["ipvs-tcp-timeout"]
    assert (finding.status, finding.reason) == (
        "fail",
        "is 86400 now, but the next boot leaves 900 (no file sets it), expected at least 7440",
    )


def test_silent_drops_for_removed_pods_are_found() -> None:
    keys = _IPVS_KEYS | {"net.ipv4.vs.expire_nodest_conn": "0"}
    facts = _kube_node(keys, processes=_IPVS_NODE, ipvs=_ipvs(86_400))
    assert _findings(facts)["ipvs-expire-nodest-conn"].status == "fail"


@pytest.mark.parametrize(("kernel", "status"), [("5.4.0-150-generic", "skip"), ("5.10.0-28-amd64", "fail")])
def test_conn_reuse_mode_is_left_alone_where_kube_proxy_is_right(kernel: str, status: str) -> None:
    keys = _IPVS_KEYS | {"net.ipv4.vs.conn_reuse_mode": "0"}
    facts = _kube_node(keys, processes=_IPVS_NODE, ipvs=_ipvs(900), identity=replace(IDENTITY, kernel=kernel))
    assert _findings(facts)["ipvs-conn-reuse-mode"].status == status


def test_without_ipvs_its_controls_are_skipped_with_the_reason() -> None:
    findings = [finding for name, finding in _findings(_kube_node()).items() if name.startswith("ipvs-")]
    assert {finding.status for finding in findings} == {"skip"}
    assert all("IPVS is not in use" in finding.reason for finding in findings)


def test_a_unit_that_sysctl_can_stop_is_named_with_its_line() -> None:
    path = "/etc/systemd/system/kubelet.service.d/10-liberal.conf"
    finding = _findings(_kube_node(files={path: "[Service]\nExecStartPre=sysctl -w net.ipv4.ip_forward=1\n"}))[
        "kubelet-unit-commands"
    ]
    assert finding.status == "fail"
    assert f"{path}:2" in finding.reason
