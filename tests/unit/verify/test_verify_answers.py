"""Testinfra's own modules, asked about facts."""

import pytest
from support.facts import NOT_LOADED, node_facts
from support.verify import host_of_facts

from fleet.model.facts import Ipvs, IpvsTimeouts, NodeFile, Unavailable
from fleet.verify.answers import IPVS_TIMEOUTS, builtin_list, builtin_pattern

FIN = "net.ipv4.tcp_fin_timeout"


def test_sysctl_gives_what_the_facts_have() -> None:
    host = host_of_facts(node_facts(sysctls={FIN: 60, "net.ipv4.ip_local_port_range": "32768 60999"}))
    assert host.sysctl(FIN) == 60
    assert host.sysctl("net.ipv4.ip_local_port_range") == "32768 60999"
    assert host.sysctl("net/ipv4/tcp_fin_timeout") == 60


def test_a_key_that_the_node_does_not_have_fails_as_on_the_node() -> None:
    with pytest.raises(AssertionError, match="module not loaded"):
        host_of_facts(node_facts(sysctls={FIN: NOT_LOADED})).sysctl(FIN)


def test_files_are_what_they_are_on_the_node() -> None:
    files = {
        "/etc/a": NodeFile(path="/etc/a", kind="file", content=b"one\n"),
        "/etc/link": NodeFile(path="/etc/link", kind="link", link="a", content=b"one\n"),
        "/etc/null": NodeFile(path="/etc/null", kind="link", link="/dev/null"),
        "/etc/d": NodeFile(path="/etc/d", kind="directory"),
    }
    host = host_of_facts(node_facts(files=files), files=["/etc/gone"])
    assert host.file("/etc/a").content == b"one\n"
    assert host.file("/etc/a").content_string == "one\n"
    assert [host.file(path).exists for path in (*files, "/etc/gone")] == [True, True, False, True, False]
    assert [host.file(path).is_file for path in files] == [True, True, False, False]
    assert [host.file(path).is_symlink for path in files] == [False, True, True, False]


def test_modules_are_found_where_testinfra_looks_for_them() -> None:
    host = host_of_facts(node_facts())
    built_in = host.file(builtin_list("6.1.0-18-amd64"))
    assert host.file("/sys/module/nf_conntrack").exists
    assert not host.file("/sys/module/tcp_cubic").exists
    assert built_in.contains(builtin_pattern("tcp_cubic"))
    assert not built_in.contains(builtin_pattern("nf_conntrack"))


def test_the_timeouts_of_ipvs_are_printed_as_ipvsadm_does() -> None:
    timeouts = Ipvs(timeouts=IpvsTimeouts(tcp=900, tcp_fin=120, udp=300), services=1, connections=0)
    assert host_of_facts(node_facts(ipvs=timeouts)).check_output(IPVS_TIMEOUTS) == (
        "Timeout (tcp tcpfin udp): 900 120 300"
    )
    assert host_of_facts(node_facts()).run(IPVS_TIMEOUTS).failed


def test_the_system_is_told() -> None:
    system = host_of_facts(node_facts()).system_info
    assert (system.type, system.distribution, system.release, system.arch) == ("linux", "debian", "12", "x86_64")


@pytest.mark.parametrize(
    "ask",
    [
        lambda host: host.run("id"),
        lambda host: host.file("/etc/shadow").exists,
        lambda host: host.file("/etc/sysctl.d/60-node.conf").mode,
        lambda host: host.file("/etc/a").contains("x"),
        lambda host: host.sysctl("kernel.panic"),
        lambda host: host.package("bash").is_installed,
        lambda host: host.check_output("cat -- %s; reboot", "/etc/a"),
    ],
    ids=["command", "unread file", "mode", "unread content", "unread key", "package", "more than a read"],
)
def test_what_the_facts_do_not_tell_is_refused_and_never_guessed(ask: object) -> None:
    host = host_of_facts(node_facts(sysctls={FIN: 60}))
    assert callable(ask)
    with pytest.raises(LookupError, match="--independent"):
        ask(host)


def test_nothing_is_said_of_modules_that_could_not_be_read(unreadable: Unavailable) -> None:
    host = host_of_facts(node_facts(builtin_modules=unreadable))
    with pytest.raises(LookupError):
        host.file(builtin_list("6.1.0-18-amd64")).contains(builtin_pattern("x"))


@pytest.fixture
def unreadable() -> Unavailable:
    return NOT_LOADED
