"""The parser over real answers; tests/data/facts/README.md tells how they were made."""

from dataclasses import replace

import pytest
from support.probe import captured, captured_facts

from fleet.model.facts import InvalidRule, NodeProcess, OsRelease, Reason, Unavailable

SHELLS = ("dash", "bash", "busybox")
ROOT = [f"{shell}-root" for shell in SHELLS]
USER = [f"{shell}-user" for shell in SHELLS]


@pytest.mark.parametrize("name", ROOT)
def test_identity_is_the_nodes_own(name: str) -> None:
    identity = captured_facts(name).identity
    assert identity.hostname == "node-1.example"
    assert identity.machine_id == "0123456789abcdef0123456789abcdef"
    assert identity.os == OsRelease(
        id="debian", version_id="12", pretty_name="Debian GNU/Linux 12 (bookworm)", id_like=()
    )
    assert identity.arch == "x86_64"
    assert identity.cores == 2
    assert identity.ram_bytes > 2**30
    assert identity.uptime_seconds > 0
    assert identity.uid == 0
    assert identity.init == "systemd"


@pytest.mark.parametrize("name", ROOT)
def test_sysctls_have_value_and_whether_root_may_write_them(name: str) -> None:
    sysctls = captured_facts(name).sysctls
    assert (sysctls["net.ipv4.tcp_fin_timeout"].value, sysctls["net.ipv4.tcp_fin_timeout"].writable) == ("60", True)
    assert sysctls["net.ipv4.ip_local_port_range"].value == "32768 60999"
    assert sysctls["net.ipv4.ip_local_reserved_ports"].value == ""
    # Read-only in a network namespace of its own, also to root.
    assert not sysctls["net.netfilter.nf_conntrack_max"].writable
    assert sysctls["net.ipv4.vs.expire_nodest_conn"].value == Unavailable(Reason.NOT_LOADED, "ip_vs")
    assert sysctls["net.core.netdev_max_backlog"].value == Unavailable(Reason.ABSENT)


@pytest.mark.parametrize("name", ROOT)
def test_conntrack_is_complete_for_root(name: str) -> None:
    conntrack = captured_facts(name).conntrack
    assert (conntrack.max, conntrack.buckets, conntrack.hashsize, conntrack.object_bytes) == (
        262144,
        262144,
        262144,
        256,
    )
    assert not isinstance(conntrack.stats, Unavailable)
    assert conntrack.stats["invalid"] == 0
    assert "entries" not in conntrack.stats


@pytest.mark.parametrize("name", ROOT)
def test_files_are_exact_with_their_links_and_masks(name: str) -> None:
    files = captured_facts(name).files
    tree = "/etc/sysctl.d/"
    seen = {path.removeprefix(tree): (f.kind, f.link, f.content) for path, f in files.items() if path.startswith(tree)}
    assert seen == {
        "50-masked.conf": ("link", "/dev/null", None),
        "51-dangling.conf": ("link", "nowhere", None),
        "52-loop.conf": ("link", "52-loop.conf", None),
        "60-unfinished.conf": ("file", None, b"no line break at the end"),
        "61-bytes.conf": ("file", None, b"a\0b\xff\x1b[31m\r\n\n"),
        '62 with "blanks" $HOME *.conf': ("file", None, b"vm.swappiness = 1\n"),
        "63-two\nlines.conf": ("file", None, b"vm.swappiness = 2\n"),
        "64-empty.conf": ("file", None, b""),
        "65-directory.conf": ("directory", None, None),
        "66-pipe.conf": ("other", None, None),
        "68-secret.conf": ("file", None, b"vm.swappiness = 3\n"),
        "99-sysctl.conf": ("link", "../sysctl.conf", b"net.ipv4.tcp_fin_timeout = 30\n"),
    }
    assert files["/lib"].link == "usr/lib"
    assert files["/etc/modprobe.d/conntrack.conf"].content == b"options nf_conntrack hashsize=65536\n"


@pytest.mark.parametrize("name", ROOT)
def test_processes_rules_and_services_are_found(name: str) -> None:
    facts = captured_facts(name)
    assert not isinstance(facts.processes, Unavailable)
    assert [replace(process, pid=0) for process in facts.processes] == [
        NodeProcess(
            pid=0,
            name="k3s-server",
            arguments=(
                *("/usr/local/bin/k3s", "server", "--token", "(masked)", "--kube-proxy-arg=conntrack-min=0"),
                "--datastore-endpoint=(masked)",
            ),
            # Told by its environment, of which nothing else leaves the node.
            config="/etc/k3s.yaml",
        ),
        NodeProcess(
            pid=0,
            name="kube-proxy",
            arguments=("/usr/local/bin/kube-proxy", "run", "--config=/var/lib/kube-proxy/config.conf"),
            config=f"/proc/{facts.processes[1].pid}/root/var/lib/kube-proxy/config.conf",
            image="registry.example/kube-proxy:v1.28.2",
        ),
        NodeProcess(pid=0, name="systemd-network", arguments=("/usr/lib/systemd/systemd-networkd", "networkd")),
    ]
    proxy = facts.processes[1].pid
    assert b"mode: ipvs" in (facts.files[f"/proc/{proxy}/root/var/lib/kube-proxy/config.conf"].content or b"")
    assert facts.invalid_rules == (
        InvalidRule(backend="iptables-nft", text="-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP"),
    )
    assert facts.builtin_modules == {"nf_conntrack", "xt_conntrack", "nft_compat", "nf_tables"}
    assert facts.modules == frozenset()
    assert facts.tuned_profile == "mine"
    assert facts.ufw_enabled is True
    assert facts.listeners == ()
    assert facts.sockets["TCP"]["tw"] == 0
    assert facts.counters["TcpExtListenOverflows"] == 0
    assert facts.notes == ()


@pytest.mark.parametrize("name", USER)
def test_what_needs_root_says_so(name: str) -> None:
    facts = captured_facts(name)
    assert facts.identity.uid == 65534
    assert not facts.sysctls["net.ipv4.tcp_fin_timeout"].writable
    assert facts.sysctls["net.ipv4.tcp_fastopen_key"].value == Unavailable(Reason.NEEDS_ROOT)
    assert facts.conntrack.max == 262144
    assert isinstance(facts.conntrack.hashsize, Unavailable)
    assert facts.conntrack.hashsize.reason is Reason.NEEDS_ROOT
    assert facts.conntrack.object_bytes == Unavailable(Reason.NEEDS_ROOT, "/proc/slabinfo")
    assert facts.invalid_rules == Unavailable(Reason.NEEDS_ROOT, "firewall rules")
    assert facts.files["/etc/sysctl.d/68-secret.conf"].kind == "unreadable"
    assert facts.files["/etc/rancher/k3s/config.yaml"].kind == "unreadable"
    # What lies in a directory that may not be entered is not known to be absent.
    assert facts.files["/var/lib/kubelet"].kind == "unreadable"
    [config] = [file for path, file in facts.files.items() if path.endswith("/root/var/lib/kube-proxy/config.conf")]
    assert config.kind == "unreadable"


@pytest.mark.parametrize("name", ROOT + USER)
def test_no_secret_is_in_the_facts(name: str) -> None:
    shown = repr(captured_facts(name))
    assert "planted0secret" not in shown
    assert "hunter2" not in shown
    assert "commented0secret" not in shown


def test_the_captured_answers_do_hold_secrets() -> None:
    assert captured("dash-root").count(b"planted0secret") > 5


@pytest.mark.parametrize("name", ROOT + USER)
def test_what_writers_are_told_is_there_but_for_the_rest_of_it(name: str) -> None:
    files = captured_facts(name).files
    expected = {
        "/proc/cmdline": (
            b"(masked) (masked) nf_conntrack.hashsize=65536 modules_load=nf_conntrack sysctl.vm.swappiness=7\n"
        ),
        "/etc/docker/daemon.json": b'{"icc": false, "ip-forward": true}',
        "/etc/ufw/own.conf": b"net/ipv4/tcp_fin_timeout=25\n",
        "/etc/systemd/networkd.conf": b"[Network]\nIPv4Forwarding=no\n",
        "/etc/systemd/network/10-uplink.network": (
            b"[Match]\nName=eth0\n[Network]\nIPForward=ipv4\n# (masked)\n[WireGuard]\n# (masked)\n"
        ),
        "/etc/systemd/network/10-uplink.network.d/a.conf": b"[Network]\n\nIPMasquerade=no\n",
        "/etc/tuned/tuned-main.conf": b"reapply_sysctl = 0\n",
        "/etc/tuned/mine/tuned.conf": (
            b"[main]\ninclude = mine, -none ; parent # more\n[sysctl]\nnet.ipv4.tcp_fin_timeout=20\n"
        ),
        "/usr/lib/tuned/mine/tuned.conf": b"[sysctl]\nnet.core.somaxconn=>2048\n[script]\npassword=(masked)\n",
        "/usr/lib/tuned/profiles/parent/tuned.conf": b"[sysctl]\nvm.swappiness=5\n",
    }
    assert {path: files[path].content for path in expected} == expected
    assert "/usr/lib/tuned/unused/tuned.conf" not in files
    assert files["/var/lib/rancher/rke2/bin"].link == "/var/lib/rancher/rke2/data/v1.28.3-rke2r2-0a1b2c3d4e5f/bin"


def test_the_file_that_k3s_is_told_to_read_is_masked_like_its_own() -> None:
    files = captured_facts("dash-root").files
    assert files["/etc/k3s.yaml"].content == b"token: (masked)\nrootless: false\n"
    assert files["/etc/k3s.yaml.d/10-a.yaml"].content == b"disable-agent: false\nagent-token: (masked)\n"


def test_masked_configuration_keeps_what_bears_on_the_kernel() -> None:
    files = captured_facts("dash-root").files
    assert files["/etc/rancher/k3s/config.yaml"].content == (
        b"#\ntoken: (masked)\ndatastore-endpoint: (masked)\n"
        b"etcd-s3-secret-key: (masked)\ntls-san: (masked)\n\n"
        b'kube-proxy-arg:\n  - conntrack-max-per-core=0\n  - "conntrack-tcp-be-liberal=true"\n'
        b"protect-kernel-defaults: true\nnode-label: (masked)\n"
    )
    unit = files["/etc/systemd/system/k3s.service"].content or b""
    assert unit.splitlines()[2:] == [
        b'Environment="K3S_TOKEN=(masked)"',
        b"ExecStartPre=-/sbin/modprobe br_netfilter",
        b"ExecStart=/usr/local/bin/k3s \\",
        b"    server \\",
        b"\t'--token' \\",
        b"\t(masked) \\",
        b"\t'--kube-proxy-arg=conntrack-min=0' \\",
    ]
    drop_in = files["/etc/systemd/system/k3s.service.d/10-sysctl.conf"].content or b""
    assert b"kernel.keys.root_maxkeys=1000000" in drop_in
