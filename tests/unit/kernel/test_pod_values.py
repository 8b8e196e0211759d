"""Where pods run without what their node has set."""

from hypothesis import given
from hypothesis import strategies as st

from fleet.kernel.catalogue import KEYS
from fleet.kernel.pod_values import (
    POD_KEYS,
    pod_differences,
    pod_findings,
    pod_remedy,
)
from fleet.kernel.version import parse_release
from fleet.model.facts import Reason, Unavailable
from fleet.model.pods import PodSample, PodSurvey, PodSysctl

KEEPALIVE = "net.ipv4.tcp_keepalive_time"
SOMAXCONN = "net.core.somaxconn"
BUCKETS = "net.ipv4.tcp_max_tw_buckets"
RESERVED = "net.ipv4.ip_local_reserved_ports"
KERNEL = "6.1.0-18-amd64"


def pod(values: dict[str, str], *, uid: str = "1-2", name: str = "nginx") -> PodSample:
    return PodSample(pid=7, name=name, hostname="web-1", pod=uid, container="", values=values)


def survey(host: dict[str, str], *samples: PodSample, namespaces: int | None = None) -> PodSurvey:
    count = len(samples) if namespaces is None else namespaces
    return PodSurvey(host=host, namespaces=count, samples=samples)


def values(key: str, *seen: str) -> list[PodSample]:
    return [pod({key: value}) for value in seen]


def test_pods_at_the_kernels_default_are_a_warning_with_counts_and_remedy() -> None:
    seen = survey({KEEPALIVE: "600"}, *values(KEEPALIVE, "7200", "7200", "7200", "7200", "600"))
    [finding] = pod_findings(seen, kernel=KERNEL)
    assert (finding.control, finding.status, finding.impact) == (
        *("pod-values-ipv4-tcp-keepalive-time", "warn"),
        "medium",
    )
    assert finding.settings == (KEEPALIVE,)
    assert finding.reason == (
        "4 of 5 sampled pods run with net.ipv4.tcp_keepalive_time 7200 (the kernel's default) while the host has 600"
    )


def test_values_that_somebody_chose_for_a_pod_are_no_fault() -> None:
    seen = survey({KEEPALIVE: "600"}, *values(KEEPALIVE, "300", "900"))
    assert [finding.status for finding in pod_findings(seen, kernel=KERNEL)] == ["pass"]
    mixed = survey({KEEPALIVE: "600"}, *values(KEEPALIVE, "300", "7200"))
    [finding] = pod_findings(mixed, kernel=KERNEL)
    assert finding.reason.startswith("1 of 2 sampled pods run")
    assert finding.reason.endswith("; 1 more has a third value")


def test_host_at_the_default_asks_nothing_of_pods() -> None:
    seen = survey({KEEPALIVE: "7200"}, *values(KEEPALIVE, "300"))
    assert pod_differences(seen, kernel=KERNEL) == ()


def test_the_default_is_that_of_the_nodes_kernel() -> None:
    seen = survey({SOMAXCONN: "4096"}, *values(SOMAXCONN, "128"))
    assert pod_differences(seen, kernel=KERNEL) == ()
    [difference] = pod_differences(seen, kernel="4.18.0-553.el8.x86_64")
    assert (difference.value, difference.is_default) == ("128", True)


def test_default_that_depends_on_the_machine_is_not_claimed() -> None:
    seen = survey({BUCKETS: "5000"}, *values(BUCKETS, "131072", "131072", "9"))
    [difference] = pod_differences(seen, kernel=KERNEL)
    assert (difference.value, difference.is_default, len(difference.pods), difference.others) == ("131072", False, 2, 1)
    [finding] = pod_findings(seen, kernel=KERNEL)
    assert "131072 while the host has 5000" in finding.reason


def test_kernel_of_an_unknown_version_has_no_known_default() -> None:
    seen = survey({KEEPALIVE: "600"}, *values(KEEPALIVE, "7200"))
    [difference] = pod_differences(seen, kernel="custom")
    assert not difference.is_default


def test_empty_value_is_named() -> None:
    [finding] = pod_findings(survey({RESERVED: "30000-32767"}, *values(RESERVED, "")), kernel=KERNEL)
    assert "run with net.ipv4.ip_local_reserved_ports empty (the kernel's default)" in finding.reason


def test_other_namespaces_count_only_where_no_pod_is_known() -> None:
    service = pod({KEEPALIVE: "7200"}, uid="", name="systemd-hostnam")
    [finding] = pod_findings(survey({KEEPALIVE: "600"}, service, *values(KEEPALIVE, "600")), kernel=KERNEL)
    assert finding.status == "pass"
    [finding] = pod_findings(survey({KEEPALIVE: "600"}, service), kernel=KERNEL)
    assert finding.reason.startswith("1 of 1 sampled network namespace run")


def test_a_sample_says_of_how_many_it_is_one() -> None:
    [finding] = pod_findings(survey({KEEPALIVE: "600"}, *values(KEEPALIVE, "7200"), namespaces=57), kernel=KERNEL)
    assert finding.reason.startswith("1 of 1 sampled pod (of 57 namespaces) run")


def test_node_without_other_namespaces_and_node_that_hides_them_are_skipped() -> None:
    [finding] = pod_findings(survey({KEEPALIVE: "600"}), kernel=KERNEL)
    assert (finding.control, finding.status) == ("pod-values", "skip")
    [finding] = pod_findings(Unavailable(Reason.NEEDS_ROOT), kernel=KERNEL)
    assert (finding.status, finding.reason) == ("skip", "cannot look into the pods here: needs root")


def test_remedy_has_the_nodes_values_and_since_when_a_pod_may_set_them() -> None:
    host = {KEEPALIVE: "600", SOMAXCONN: "16384", "net.ipv4.tcp_timestamps": "1"}
    lacking = pod({KEEPALIVE: "7200", SOMAXCONN: "4096", "net.ipv4.tcp_timestamps": "1"})
    remedy = pod_remedy(survey(host, lacking), kernel=KERNEL)
    assert remedy is not None
    assert remedy.sysctls == (
        PodSysctl(name=KEEPALIVE, value="600", safe_since="1.29"),
        PodSysctl(name=SOMAXCONN, value="16384", safe_since=None),
    )
    assert remedy.unsafe == (SOMAXCONN,)


def test_pods_that_lack_nothing_or_were_not_seen_need_no_remedy() -> None:
    assert pod_remedy(survey({KEEPALIVE: "600"}, *values(KEEPALIVE, "600", "300")), kernel=KERNEL) is None
    assert pod_remedy(survey({KEEPALIVE: "600"}), kernel=KERNEL) is None
    assert pod_remedy(Unavailable(Reason.NEEDS_ROOT), kernel=KERNEL) is None


@given(
    st.dictionaries(st.sampled_from(POD_KEYS), st.sampled_from(["0", "1", "60", "7200", "32768 60999", "", "x"])),
    st.lists(st.dictionaries(st.sampled_from(POD_KEYS), st.sampled_from(["0", "1", "60", "7200", "", "x"]))),
)
def test_every_count_adds_up(host: dict[str, str], pods: list[dict[str, str]]) -> None:
    seen = survey(host, *map(pod, pods))
    for difference in pod_differences(seen, kernel=KERNEL):
        assert 0 < len(difference.pods) + difference.others <= difference.sampled == len(pods)
        default = difference.key.default_for(parse_release(KERNEL))
        assert not difference.is_default or difference.value == default
    assert pod_findings(seen, kernel=KERNEL)


def test_all_keys_of_pods_have_a_remedy() -> None:
    assert all(KEYS[key].pod_remedy for key in POD_KEYS)
    assert len(POD_KEYS) > 10
