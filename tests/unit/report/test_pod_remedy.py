"""What gives pods the values of their node, as lines for a pod's specification."""

import yaml
from hypothesis import given
from hypothesis import strategies as st
from support.audits import POD_REMEDY, audit_of, node, unchecked, with_pods
from support.hostile import TRICKS

from fleet.model.pods import PodRemedy, PodSysctl
from fleet.model.text import printable
from fleet.report.pod_remedy import kubelet_flag, pod_remedy_groups, security_context, where_it_belongs

KEEPALIVE = PodSysctl(name="net.ipv4.tcp_keepalive_time", value="600", safe_since="1.29")
PORTS = PodSysctl(name="net.ipv4.ip_local_port_range", value="1024 65535", safe_since="")


def remedy(*sysctls: PodSysctl) -> PodRemedy:
    return PodRemedy(sysctls=sysctls)


@given(st.sampled_from(TRICKS) | st.text(st.characters(), max_size=3000))
def test_any_value_comes_back_from_the_yaml_as_a_whole_string(value: str) -> None:
    lines = [*security_context(remedy(PodSysctl(name="net.core.somaxconn", value=value, safe_since=None)))]
    assert len(lines) == 4
    assert all(line.isprintable() for line in lines)
    assert yaml.safe_load("\n".join(lines)) == {
        "securityContext": {
            "sysctls": [{"name": "net.core.somaxconn", "value": printable(value, 10 * len(value))}],
        }
    }


def test_only_what_is_never_safe_is_in_the_flag() -> None:
    assert kubelet_flag(POD_REMEDY) == "--allowed-unsafe-sysctls=net.core.somaxconn"
    assert kubelet_flag(remedy(KEEPALIVE, PORTS)) == ""


def test_the_flag_is_spoken_of_where_a_key_may_need_it() -> None:
    def spoken(*sysctls: PodSysctl) -> bool:
        [group] = pod_remedy_groups(audit_of(with_pods(node("n"), remedy(*sysctls))))
        return "flag" in where_it_belongs([group])

    assert (spoken(PORTS), spoken(PORTS, KEEPALIVE), spoken(*POD_REMEDY.sysctls)) == (False, True, True)


def test_hosts_that_lack_the_same_are_one_group_the_largest_first() -> None:
    other = remedy(KEEPALIVE)
    audit = audit_of(
        with_pods(node("a"), other),
        with_pods(node("b")),
        node("c"),
        with_pods(node("d")),
        unchecked("e", "timeout", "silent"),
    )
    assert [(group.remedy, group.hosts) for group in pod_remedy_groups(audit)] == [
        (POD_REMEDY, ("b", "d")),
        (other, ("a",)),
    ]
