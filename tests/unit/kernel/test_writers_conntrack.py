"""kube-proxy's conntrack rules, release by release and core by core (domain facts A1.1 to A1.11)."""

import pytest
from support.writers import only, proxy_node, writers_of, writes_of

MAX = "net.netfilter.nf_conntrack_max"
BUCKETS = "net.netfilter.nf_conntrack_buckets"
ESTABLISHED = "net.netfilter.nf_conntrack_tcp_timeout_established"
CLOSE_WAIT = "net.netfilter.nf_conntrack_tcp_timeout_close_wait"
BE_LIBERAL = "net.netfilter.nf_conntrack_tcp_be_liberal"
UDP = "net.netfilter.nf_conntrack_udp_timeout"

_BOTH = {"sets", "raises"}


@pytest.mark.parametrize(
    ("minor", "cores", "rules", "limit"),
    [
        (22, 4, {"sets"}, 131_072),
        (22, 33, {"sets"}, 1_081_344),
        (23, 4, {"raises"}, 131_072),
        (23, 512, {"raises"}, 16_777_216),
        (28, 32, {"raises"}, 1_048_576),
        (28, 64, {"raises"}, 2_097_152),
        (29, 4, {"sets"}, 131_072),
        (29, 33, {"sets"}, 1_081_344),
        (35, 32, {"sets"}, 1_048_576),
        (35, 64, {"sets"}, 2_097_152),
        (35, 512, {"sets"}, 16_777_216),
        (36, 4, _BOTH, 131_072),
        (36, 32, _BOTH, 1_048_576),
        (36, 33, _BOTH, 1_048_576),
        (36, 512, _BOTH, 1_048_576),
        (37, 64, _BOTH, 1_048_576),
        (38, 4, {"raises"}, 131_072),
        (38, 33, {"raises"}, 1_048_576),
        (38, 512, {"raises"}, 1_048_576),
    ],
)
def test_the_limit_follows_release_and_cores(minor: int, cores: int, rules: set[str], limit: int) -> None:
    facts = proxy_node(minor=minor, cores=cores)
    assert writes_of(facts, MAX) == {(rule, str(limit)) for rule in rules}
    assert only(writers_of(facts, MAX)).value == str(limit)


@pytest.mark.parametrize(
    ("arguments", "minor", "cores", "limit"),
    [
        (("--conntrack-max-per-core=65536",), 35, 4, 262_144),
        (("--conntrack-max-per-core=65536",), 36, 16, 1_048_576),
        (("--conntrack-max-per-core=65536",), 36, 17, 1_048_576),
        (("--conntrack-max-per-core", "65536"), 35, 17, 1_114_112),
        (("--conntrack-min=500000",), 35, 4, 500_000),
        # min above the cap counts up to 32 cores and is left out above, because the cap is tested first.
        (("--conntrack-min=4000000",), 36, 32, 4_000_000),
        (("--conntrack-min=4000000",), 36, 33, 1_048_576),
        (("--conntrack-min=4000000",), 35, 33, 4_000_000),
        (("--conntrack-max-per-core=1", "--conntrack-min=4000000"), 36, 512, 4_000_000),
        (("--conntrack-min=1", "--conntrack-min=200000"), 35, 4, 200_000),
    ],
)
def test_the_limit_follows_the_flags(arguments: tuple[str, ...], minor: int, cores: int, limit: int) -> None:
    assert only(writers_of(proxy_node(*arguments, minor=minor, cores=cores), MAX)).value == str(limit)


def test_zero_a_core_leaves_limit_and_table_alone_whatever_min_says() -> None:
    facts = proxy_node("--conntrack-max-per-core=0", "--conntrack-min=999999", minor=35)
    assert writers_of(facts, MAX) == []
    assert writers_of(facts, BUCKETS) == []


def test_an_unknown_release_keeps_the_value_that_all_releases_agree_on() -> None:
    writer = only(writers_of(proxy_node(cores=32), MAX))
    assert writer.name == "kube-proxy"
    assert writer.value == "1048576"
    assert {write.rule for write in writer.writes} == _BOTH
    assert "its release is not known" in writer.reason


def test_an_unknown_release_gives_no_value_where_releases_differ_but_tells_them() -> None:
    writer = only(writers_of(proxy_node(cores=64), MAX))
    assert writer.value is None
    assert {write.value for write in writer.writes} == {"2097152", "1048576"}
    told = ", ".join(map(str, writer.writes))
    assert "2097152 (1.22 or earlier, 1.29 to 1.35)" in told
    assert "1048576 (1.36 or later)" in told
    assert writer.reason == "its release is not known, and what it writes depends on that"


def test_a_flag_narrows_the_releases() -> None:
    facts = proxy_node("--conntrack-tcp-be-liberal", cores=4)
    assert writes_of(facts, ESTABLISHED) == {("sets", "86400")}
    assert "came with 1.29" in " ".join(only(writers_of(facts, ESTABLISHED)).evidence)


@pytest.mark.parametrize(("minor", "rule"), [(22, "sets"), (23, "raises"), (28, "raises"), (29, "sets"), (38, "sets")])
def test_timeouts_are_only_raised_from_1_23_to_1_28(minor: int, rule: str) -> None:
    assert writes_of(proxy_node(minor=minor), ESTABLISHED) == {(rule, "86400")}
    assert writes_of(proxy_node(minor=minor), CLOSE_WAIT) == {(rule, "3600")}


@pytest.mark.parametrize("zero", ["0", "0s", "0h0m0s", "-1s"])
def test_a_timeout_of_zero_leaves_the_key_alone(zero: str) -> None:
    assert writers_of(proxy_node(f"--conntrack-tcp-timeout-established={zero}", minor=35), ESTABLISHED) == []


def test_be_liberal_is_set_to_one_or_left_alone() -> None:
    assert writes_of(proxy_node("--conntrack-tcp-be-liberal=true", minor=29), BE_LIBERAL) == {("sets", "1")}
    assert writers_of(proxy_node("--conntrack-tcp-be-liberal=false", minor=29), BE_LIBERAL) == []
    assert writers_of(proxy_node(minor=35), BE_LIBERAL) == []


def test_udp_timeouts_are_written_only_where_given() -> None:
    assert writes_of(proxy_node("--conntrack-udp-timeout=45s"), UDP) == {("sets", "45")}
    assert writers_of(proxy_node(minor=35), UDP) == []


@pytest.mark.parametrize(
    ("minor", "cores", "buckets"),
    [(22, 4, 32_768), (35, 64, 524_288), (36, 64, 262_144), (38, 33, 262_144), (28, 33, 270_336)],
)
def test_the_table_is_only_raised_to_a_quarter_of_the_limit(minor: int, cores: int, buckets: int) -> None:
    assert writes_of(proxy_node(minor=minor, cores=cores), BUCKETS) == {("raises", str(buckets))}


def test_the_table_is_whole_pages() -> None:
    facts = proxy_node("--conntrack-max-per-core=1", "--conntrack-min=400000", minor=35)
    assert only(writers_of(facts, BUCKETS)).value == "100352"


def test_evidence_names_process_flag_and_formula() -> None:
    evidence = only(writers_of(proxy_node("--conntrack-min=500000", minor=35, cores=64), MAX)).evidence
    assert "kube-proxy runs (process 1)" in evidence
    assert any("--conntrack-min=500000" in text for text in evidence)
    assert "max(32768 x 64 cores, 500000) = 2097152, since 1.36 1048576" in evidence
    assert any("kube-proxy:v1.35.3" in text for text in evidence)


@pytest.mark.parametrize("value", ["much", "1.5", "99999999999", "", "0b11"])
def test_a_flag_that_is_no_number_leaves_the_value_unknown(value: str) -> None:
    writer = only(writers_of(proxy_node(f"--conntrack-max-per-core={value}", minor=35), MAX))
    assert writer.value is None
    assert writer.writes == ()
    assert "--conntrack-max-per-core" in writer.reason
