"""Writers outside Kubernetes: TuneD, ufw, systemd-networkd, dockerd, and the agents of Cilium and Calico."""

from dataclasses import replace

import pytest
from support.kernel import node, process
from support.writers import only, writers_of, writes_of

from fleet.kernel.writers import find_writers, settled
from fleet.model.facts import NodeFacts, NodeFile, Reason, Unavailable

SOMAXCONN = "net.core.somaxconn"
FIN = "net.ipv4.tcp_fin_timeout"
FORWARD = "net.ipv4.ip_forward"

_UFW_DEFAULT = {"/etc/default/ufw": 'IPV6=yes\nIPT_SYSCTL="/etc/ufw/sysctl.conf"\n'}
_UFW_FILE = "/etc/ufw/sysctl.conf"


def _ufw(text: str, *, enabled: bool | Unavailable = True, default: dict[str, str] | None = None) -> NodeFacts:
    return node(files={**(default or _UFW_DEFAULT), _UFW_FILE: text}, ufw_enabled=enabled)


def test_ufw_sets_what_its_own_file_says_when_it_starts() -> None:
    facts = _ufw("# comment\nnet/ipv4/tcp_fin_timeout=30\n")
    writer = only(writers_of(facts, FIN))
    assert (writer.name, writer.service, writer.value) == ("ufw", "ufw", "30")
    assert any(f"{_UFW_FILE}:2" in text for text in writer.evidence)


def test_the_last_line_of_ufws_file_counts_and_comments_do_not() -> None:
    text = "net.ipv4.tcp_fin_timeout = 30\nnet/ipv4/tcp_fin_timeout=40\n#net/ipv4/tcp_fin_timeout=50\nnonsense\n"
    assert only(writers_of(_ufw(text), FIN)).value == "40"


@pytest.mark.parametrize("enabled", [False, Unavailable(Reason.NEEDS_ROOT)])
def test_a_ufw_that_is_not_known_to_be_enabled_writes_nothing(*, enabled: bool | Unavailable) -> None:
    assert find_writers(_ufw("net/ipv4/tcp_fin_timeout=30\n", enabled=enabled)) == ()


@pytest.mark.parametrize("default", [{"/etc/default/ufw": "IPT_SYSCTL=\n"}, {"/etc/default/ufw": "#IPT_SYSCTL=/x\n"}])
def test_ufw_reads_only_the_file_that_its_defaults_name(default: dict[str, str]) -> None:
    assert find_writers(_ufw("net/ipv4/tcp_fin_timeout=30\n", default=default)) == ()


_TUNED = process("tuned", "-l", "-P")
_MAIN = "/etc/tuned/tuned-main.conf"


def _tuned(files: dict[str, str], profile: str = "mine") -> NodeFacts:
    return node(processes=(_TUNED,), tuned_profile=profile, files=files)


_PARENT = "[sysctl]\nnet.core.somaxconn=>2048\nnet.ipv4.tcp_fin_timeout=20\n"


@pytest.mark.parametrize(
    ("line", "write"),
    [
        ("net.core.somaxconn=8192", ("sets", "8192")),
        ("net.core.somaxconn = 8192  # more", ("sets", "8192")),
        ('net.core.somaxconn="8192"', ("sets", "8192")),
        ("net.core.somaxconn=>2048", ("raises", "2048")),
        ("net.core.somaxconn=<2048", ("lowers", "2048")),
    ],
)
def test_tuned_applies_the_sysctl_lines_of_its_profile(line: str, write: tuple[str, str]) -> None:
    path = "/etc/tuned/mine/tuned.conf"
    facts = _tuned({path: f"[main]\nsummary=x\n[sysctl]\n{line}\n"})
    assert writes_of(facts, SOMAXCONN) == {write}
    assert any(f"{path}:4" in text for text in only(writers_of(facts, SOMAXCONN)).evidence)


def test_a_profile_wins_over_those_it_includes_and_keeps_the_rest() -> None:
    files = {
        "/usr/lib/tuned/parent/tuned.conf": _PARENT,
        "/etc/tuned/mine/tuned.conf": "[main]\ninclude=parent\n[sysctl]\nnet.ipv4.tcp_fin_timeout=40\n",
    }
    assert writes_of(_tuned(files), FIN) == {("sets", "40")}
    assert writes_of(_tuned(files), SOMAXCONN) == {("raises", "2048")}


def test_a_profile_that_includes_itself_by_name_extends_the_shipped_one() -> None:
    files = {
        "/usr/lib/tuned/mine/tuned.conf": _PARENT,
        "/etc/tuned/mine/tuned.conf": "[main]\ninclude=mine\n",
    }
    assert writes_of(_tuned(files), FIN) == {("sets", "20")}


_REAPPLIED = {
    "/usr/lib/tuned/mine/tuned.conf": "[sysctl]\nnet.ipv4.tcp_fin_timeout=20\n",
    "/etc/sysctl.d/90-a.conf": "net.ipv4.tcp_fin_timeout = 30\nnet.core.somaxconn = 100\n",
    "/run/sysctl.d/80-b.conf": "net.core.somaxconn = 200\n",
    "/usr/lib/sysctl.d/95-c.conf": "net.core.somaxconn = 300\n",
}


@pytest.mark.parametrize(
    ("main", "fin", "somaxconn"),
    [
        ("reapply_sysctl = 1\n", {("sets", "30")}, [{("sets", "100")}]),
        ("daemon = 1\n", {("sets", "30")}, [{("sets", "100")}]),
        ("reapply_sysctl = 0\n", {("sets", "20")}, []),
        (None, {("sets", "20"), ("sets", "30")}, [{("leaves", None), ("sets", "100")}]),
    ],
)
def test_tuned_applies_the_machines_files_again_unless_told_not_to(
    main: str | None, fin: set[tuple[str, str]], somaxconn: list[set[tuple[str, str | None]]]
) -> None:
    facts = _tuned(_REAPPLIED if main is None else {**_REAPPLIED, _MAIN: main})
    assert writes_of(facts, FIN) == fin
    found = [{(write.rule, write.value) for write in writer.writes} for writer in writers_of(facts, SOMAXCONN)]
    assert found == somaxconn


def test_a_file_in_run_hides_one_of_its_name_in_etc_from_tuned() -> None:
    files = {
        "/usr/lib/tuned/mine/tuned.conf": "[sysctl]\nnet.ipv4.tcp_fin_timeout=20\n",
        "/etc/sysctl.d/90-a.conf": "net.ipv4.tcp_fin_timeout = 30\n",
        "/run/sysctl.d/90-a.conf": "net.ipv4.tcp_fin_timeout = 40\n",
        _MAIN: "",
    }
    assert writes_of(_tuned(files), FIN) == {("sets", "40")}


@pytest.mark.parametrize(
    "profile",
    [
        "[sysctl]\nnet.ipv4.tcp_fin_timeout=${mine}\n",
        "[sysctl.arm]\ntype=sysctl\nuname_regex=aarch64\nnet.ipv4.tcp_fin_timeout=20\n",
    ],
)
def test_what_tuned_finds_out_on_the_node_is_not_known(profile: str) -> None:
    writer = only(writers_of(_tuned({"/etc/tuned/mine/tuned.conf": profile}), FIN))
    assert writer.writes == ()
    assert writer.reason


def test_a_profile_that_was_not_read_leaves_what_it_may_replace_unknown() -> None:
    own = {"/etc/tuned/mine/tuned.conf": "[main]\ninclude=other\n[sysctl]\nnet.ipv4.tcp_fin_timeout=40\n"}
    # It wins over what it includes.
    assert writes_of(_tuned(own), FIN) == {("sets", "40")}
    # Of active profiles the last one wins.
    writer = only(writers_of(_tuned(own, profile="mine later"), FIN))
    assert writer.writes == ()
    assert writer.reason == "TuneD's profile later was not read"


def test_a_profile_with_a_dash_in_front_is_included_where_it_is_there() -> None:
    files = {
        "/usr/lib/tuned/parent/tuned.conf": _PARENT,
        "/etc/tuned/mine/tuned.conf": "[main]\ninclude=-parent, -none\n",
    }
    assert writes_of(_tuned(files), FIN) == {("sets", "20")}


def test_a_chain_of_includes_has_an_end() -> None:
    chain = {
        f"/etc/tuned/p{number}/tuned.conf": f"[main]\ninclude=p{number + 1}\n[sysctl]\nnet.core.somaxconn={number}\n"
        for number in range(2000)
    }
    assert writes_of(_tuned(chain, profile="p0"), SOMAXCONN) == {("sets", "0")}


@pytest.mark.parametrize(
    "facts",
    [
        _tuned({}),
        _tuned({"/etc/tuned/other/tuned.conf": _PARENT}),
        _tuned({"/etc/tuned/mine/tuned.conf": "[vm]\nnet.ipv4.tcp_fin_timeout=20\n"}),
        _tuned({"/etc/tuned/mine/tuned.conf": "[sysctl]\nenabled=0\nnet.ipv4.tcp_fin_timeout=20\n"}),
        node(tuned_profile="mine", files={"/etc/tuned/mine/tuned.conf": _PARENT}),
        node(processes=(_TUNED,), files={"/etc/tuned/mine/tuned.conf": _PARENT}),
    ],
)
def test_without_a_running_tuned_and_a_profile_that_was_read_there_is_no_writer(facts: NodeFacts) -> None:
    assert find_writers(facts) == ()


_DAEMON = "/etc/docker/daemon.json"


@pytest.mark.parametrize(
    ("arguments", "daemon", "rules"),
    [
        ((), None, ["sets"]),
        ((), "{}", ["sets"]),
        ((), '{"ip-forward": true}', ["sets"]),
        ((), "no json", ["sets", "leaves"]),
        (("--ip-forward=true",), None, ["sets"]),
    ],
)
def test_dockerd_turns_forwarding_on(arguments: tuple[str, ...], daemon: str | None, rules: list[str]) -> None:
    facts = node(processes=(process("dockerd", *arguments),), files={} if daemon is None else {_DAEMON: daemon})
    assert [write.rule for write in only(writers_of(facts, FORWARD)).writes] == rules


@pytest.mark.parametrize(
    ("arguments", "files"),
    [
        ((), {"/etc/docker": NodeFile(path="/etc/docker", kind="unreadable")}),
        ((), {_DAEMON: NodeFile(path=_DAEMON, kind="unreadable")}),
        (("--config-file=/opt/docker.json",), {}),
    ],
)
def test_a_daemon_json_that_may_not_be_seen_leaves_it_unknown(
    arguments: tuple[str, ...], files: dict[str, NodeFile]
) -> None:
    facts = replace(node(processes=(process("dockerd", *arguments),)), files=files)
    writer = only(writers_of(facts, FORWARD))
    assert [write.rule for write in writer.writes] == ["sets", "leaves"]
    assert (arguments[0].partition("=")[2] if arguments else _DAEMON) in writer.reason


@pytest.mark.parametrize(("arguments", "daemon"), [(("--ip-forward=false",), "{}"), ((), '{"ip-forward": false}')])
def test_dockerd_leaves_forwarding_alone_when_told_so(arguments: tuple[str, ...], daemon: str) -> None:
    assert find_writers(node(processes=(process("dockerd", *arguments),), files={_DAEMON: daemon})) == ()


@pytest.mark.parametrize(("arguments", "daemon"), [(("--icc=false",), "{}"), ((), '{"userland-proxy": false}')])
def test_dockerd_passes_bridged_packets_to_iptables_where_it_filters_them(
    arguments: tuple[str, ...], daemon: str
) -> None:
    facts = node(processes=(process("dockerd", *arguments),), files={_DAEMON: daemon})
    assert writes_of(facts, "net.bridge.bridge-nf-call-iptables") == {("sets", "1")}


_NETWORK = "/etc/systemd/network/10-uplink.network"


@pytest.mark.parametrize("value", ["yes", "ipv4", "true", "1"])
def test_networkd_turns_forwarding_on_for_an_interface(value: str) -> None:
    facts = node(
        processes=(process("systemd-network"),),
        files={_NETWORK: f"[Match]\nName=eth0\n[Network]\nIPForward={value}\n"},
    )
    writer = only(writers_of(facts, FORWARD))
    assert (writer.when, writer.value) == ("interface up", "1")
    assert any(f"{_NETWORK}:4" in text for text in writer.evidence)
    assert settled(FORWARD, "0", "0", [writer]).after_reboot.value is None
    assert settled(FORWARD, "1", "1", [writer]).after_reboot.value == "1"


@pytest.mark.parametrize("value", ["no", "ipv6", "kernel"])
def test_networkd_never_turns_ipv4_forwarding_off(value: str) -> None:
    facts = node(processes=(process("systemd-network"),), files={_NETWORK: f"[Network]\nIPForward={value}\n"})
    assert find_writers(facts) == ()


_SHIPPED = "/usr/lib/systemd/network/80-container-ve.network"


@pytest.mark.parametrize(
    ("files", "line"),
    [
        ({_NETWORK: "[Network]\nIPMasquerade=both\n"}, f"{_NETWORK}:2"),
        ({_NETWORK: "[Network]\nIPMasquerade=no\n"}, ""),
        ({_NETWORK: "[Network]\nIPMasquerade=ipv6\n"}, ""),
        ({_NETWORK: "[Match]\nIPForward=yes\n"}, ""),
        ({_NETWORK: "[Network]\n#IPForward=yes\n"}, ""),
        ({_NETWORK: "[Network]\nIPForward=yes\nIPForward=no\n"}, ""),
        # A drop-in counts after its file; one file hides another of its name.
        ({_NETWORK: "[Network]\nIPForward=yes\n", f"{_NETWORK}.d/a.conf": "[Network]\nIPForward=no\n"}, ""),
        ({_NETWORK: "", f"{_NETWORK}.d/a.conf": "[Network]\nIPForward=yes\n"}, f"{_NETWORK}.d/a.conf:2"),
        ({_NETWORK: "", "/usr/lib/systemd/network/10-uplink.network": "[Network]\nIPForward=yes\n"}, ""),
        # What systemd ships for its own containers is no evidence of any.
        ({_SHIPPED: "[Match]\nName=ve-*\n[Network]\nIPMasquerade=both\n"}, ""),
    ],
)
def test_only_the_network_files_that_count_turn_forwarding_on(files: dict[str, str], line: str) -> None:
    writers = writers_of(node(processes=(process("systemd-network"),), files=files), FORWARD)
    assert [line in " ".join(writer.evidence) for writer in writers] == ([True] if line else [])


@pytest.mark.parametrize(("value", "number"), [("yes", "1"), ("no", "0")])
def test_networkd_conf_sets_forwarding_either_way_where_its_release_knows_that(value: str, number: str) -> None:
    path = "/etc/systemd/networkd.conf.d/10-a.conf"
    files = {
        "/etc/systemd/networkd.conf": "[Network]\nIPv4Forwarding=yes\n",
        path: f"[Network]\nIPv4Forwarding={value}\n",
    }
    facts = node(processes=(process("systemd-network"),), files=files, sysctls={"net.ipv4.conf.all.forwarding": "0"})
    for key in (FORWARD, "net.ipv4.conf.all.forwarding"):
        writer = only(writers_of(facts, key))
        assert (writer.when, writer.place) == ("service start", path)
        assert writes_of(facts, key) == {("sets", number), ("leaves", None)}
        assert "256" in writer.reason


def test_a_network_file_without_networkd_is_no_writer() -> None:
    assert find_writers(node(files={_NETWORK: "[Network]\nIPForward=yes\n"})) == ()


def test_the_agents_of_the_networks_write_what_they_need() -> None:
    cilium = node(processes=(process("cilium-agent"),))
    assert writes_of(cilium, "net.ipv4.conf.all.rp_filter") == {("sets", "0")}
    calico = node(processes=(process("calico-node", "-felix"), process("calico-node", "-confd")))
    assert writes_of(calico, FORWARD) == {("sets", "1")}
    assert writes_of(calico, "net.netfilter.nf_conntrack_acct") == {("sets", "1")}
