"""What an upgrade of kube-proxy does, release by release and core by core."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from support.kernel import process
from support.writers import K3S_FILE, PROXY_FILE, kube_proxy, proxy_node

from fleet.kernel.invalid import BE_LIBERAL
from fleet.kernel.upgrade import Prediction, predict
from fleet.kernel.writers.conntrack import CLOSE_WAIT, ESTABLISHED, MAX
from fleet.model.facts import InvalidRule, NodeFacts, Reason, Sysctl, Unavailable

RULE = InvalidRule(backend="iptables-nft", text="-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP")
OWN_RULE = InvalidRule(backend="iptables-nft", text="-A FORWARD -m conntrack --ctstate INVALID -j DROP")
NO_TABLE = "--conntrack-max-per-core=0"
NO_TIMEOUTS = ("--conntrack-tcp-timeout-established=0s", "--conntrack-tcp-timeout-close-wait=0s")


def with_values(facts: NodeFacts, values: Mapping[str, int]) -> NodeFacts:
    sysctls = {key: Sysctl(key=key, value=str(value), writable=True) for key, value in values.items()}
    return replace(facts, sysctls=sysctls)


def values_of(facts: NodeFacts) -> list[tuple[str, str, str]]:
    """Key, event and what happens, of what is predicted for values."""
    return [(each.key, each.event, each.text) for each in predict(facts) if each.kind == "value"]


def max_drops(facts: NodeFacts) -> list[tuple[str, str]]:
    """Event and text of each prediction that the limit drops."""
    return [(event, text) for key, event, text in values_of(facts) if key == MAX and "drops" in text]


@pytest.mark.parametrize(
    ("minor", "cores", "live", "event"),
    [
        (35, 32, 1_048_576, ""),  # at the cap
        (35, 33, 1_081_344, "kube-proxy becomes 1.36"),
        (35, 64, 2_097_152, "kube-proxy becomes 1.36"),
        (29, 512, 16_777_216, "kube-proxy becomes 1.36"),
        (28, 64, 2_097_152, "kube-proxy becomes 1.36"),
        (22, 64, 2_097_152, "kube-proxy becomes 1.36"),
        (35, 4, 131_072, ""),
        (36, 64, 1_048_576, ""),  # it has happened
        (37, 64, 1_048_576, ""),
        (38, 64, 2_097_152, ""),  # 1.38 does not lower
    ],
)
def test_more_than_32_cores_lose_entries_to_the_cap_of_1_36(minor: int, cores: int, live: int, event: str) -> None:
    drops = max_drops(with_values(proxy_node(minor=minor, cores=cores), {MAX: live}))
    assert [each for each, _ in drops] == ([event] if event else [])
    for _, text in drops:
        assert text.startswith(f"nf_conntrack_max drops from {live:,} to 1,048,576, unless that release has the fix of")


def test_a_release_that_has_the_fix_does_not_lower_the_limit() -> None:
    known_to_be_fixed = with_values(proxy_node(minor=38, cores=64), {MAX: 4_000_000})
    assert values_of(known_to_be_fixed) == []


@pytest.mark.parametrize(
    ("cores", "dropped"),
    [(32, False), (33, True)],
)
def test_a_large_min_counts_up_to_32_cores_only(cores: int, dropped: bool) -> None:  # noqa: FBT001
    facts = proxy_node("--conntrack-min=4000000", minor=35, cores=cores)
    assert bool(max_drops(with_values(facts, {MAX: 4_000_000}))) is dropped


def test_the_remedy_of_the_cap_is_a_min_that_one_a_core_does_not_reach() -> None:
    (prediction,) = predict(with_values(proxy_node(NO_TIMEOUTS[0], minor=35, cores=64), {MAX: 2_097_152}))
    assert "--conntrack-max-per-core=1 --conntrack-min=2097152" in prediction.remedy


def test_a_kube_proxy_that_leaves_the_limit_alone_changes_nothing() -> None:
    assert values_of(with_values(proxy_node(NO_TABLE, *NO_TIMEOUTS, minor=35, cores=64), {MAX: 2_097_152})) == []


def k3s_node(config: str, *, cores: int = 64, values: Mapping[str, int] | None = None) -> NodeFacts:
    facts = proxy_node(cores=cores, files={K3S_FILE: config})
    return with_values(replace(facts, processes=(process("k3s-server"),)), values or {MAX: 2_097_152})


def test_k3s_has_no_cap() -> None:
    assert values_of(k3s_node("")) == []


def test_rke2_gives_its_kube_proxy_zeros_and_so_has_no_cap() -> None:
    facts = proxy_node(NO_TABLE, *NO_TIMEOUTS, minor=35, cores=64)
    assert isinstance(facts.processes, tuple)
    rke2 = replace(facts, processes=(*facts.processes, process("rke2-server")))
    assert values_of(with_values(rke2, {MAX: 2_097_152})) == []


def test_k3s_with_a_per_core_of_the_operator_meets_the_cap_after_all() -> None:
    drops = max_drops(k3s_node("kube-proxy-arg:\n  - conntrack-max-per-core=32768\n"))
    assert [event for event, _ in drops] == ["kube-proxy becomes 1.36, if it is older now"]


@pytest.mark.parametrize("process_name", ["k3s-agent", "kube-proxy"])
def test_nothing_is_said_where_the_configuration_cannot_be_read(process_name: str) -> None:
    facts = proxy_node(cores=64, files={K3S_FILE: "kube-proxy-arg: [\n"})
    facts = replace(facts, processes=(process(process_name, f"--config={PROXY_FILE}"),))
    assert values_of(with_values(facts, {MAX: 2_097_152})) == []


@pytest.mark.parametrize(
    ("minor", "event"),
    [
        (23, "kube-proxy becomes 1.29"),
        (28, "kube-proxy becomes 1.29"),
        (29, None),  # 1.29 lowers at its own start, which no upgrade does
        (35, None),
    ],
)
@pytest.mark.parametrize(
    ("key", "live", "text"),
    [
        (MAX, 262_144, "nf_conntrack_max drops from 262,144 to 131,072"),
        (ESTABLISHED, 432_000, "nf_conntrack_tcp_timeout_established drops from 432,000 to 86,400"),
        (CLOSE_WAIT, 7_200, "nf_conntrack_tcp_timeout_close_wait drops from 7,200 to 3,600"),
    ],
)
def test_releases_that_only_raise_are_followed_by_those_that_lower(
    minor: int, event: str | None, key: str, live: int, text: str
) -> None:
    predicted = values_of(with_values(proxy_node(minor=minor), {key: live}))
    assert predicted == ([(key, event, text)] if event else [])


@pytest.mark.parametrize("minor", [23, 28, 29])
def test_a_value_at_or_below_what_kube_proxy_wants_stays_as_it_makes_it(minor: int) -> None:
    assert values_of(with_values(proxy_node(minor=minor), {ESTABLISHED: 86_400, CLOSE_WAIT: 60})) == []


def test_a_node_whose_release_nothing_shows_is_told_under_that_condition() -> None:
    drops = max_drops(with_values(proxy_node(cores=64), {MAX: 2_097_152}))
    assert [event for event, _ in drops] == ["kube-proxy becomes 1.36, if it is older now"]


def test_a_release_before_1_29_is_possible_where_nothing_shows_the_release() -> None:
    predicted = values_of(with_values(proxy_node(), {ESTABLISHED: 432_000}))
    assert [(key, event) for key, event, _ in predicted] == [
        (ESTABLISHED, "kube-proxy becomes 1.29, if it is older now")
    ]


def test_flags_of_1_29_leave_no_doubt_about_releases_before() -> None:
    facts = proxy_node("--conntrack-tcp-be-liberal=false")
    assert values_of(with_values(facts, {ESTABLISHED: 432_000})) == []


def test_a_configured_be_liberal_takes_effect_with_1_29() -> None:
    config = "conntrack:\n  tcpBeLiberal: true\n"
    facts = proxy_node(f"--config={PROXY_FILE}", minor=28, files={PROXY_FILE: config})
    (prediction,) = [each for each in predict(with_values(facts, {BE_LIBERAL: 0})) if each.key == BE_LIBERAL]
    assert prediction == Prediction(
        kind="value",
        key=BE_LIBERAL,
        event="kube-proxy becomes 1.29",
        text="nf_conntrack_tcp_be_liberal rises from 0 to 1",
        remedy="",
    )


def test_a_value_that_was_not_read_is_not_predicted() -> None:
    facts = proxy_node(minor=35, cores=64)
    unread = Sysctl(key=MAX, value=Unavailable(Reason.NEEDS_ROOT), writable=False)
    assert values_of(replace(facts, sysctls={MAX: unread})) == []


def rules_of(facts: NodeFacts) -> list[Prediction]:
    return [each for each in predict(facts) if each.kind != "value"]


def guarded(*rules: InvalidRule, minor: int | None = 30, liberal: int = 0, mode: str = "iptables") -> NodeFacts:
    facts = replace(proxy_node(f"--proxy-mode={mode}", minor=minor), invalid_rules=rules)
    return with_values(facts, {BE_LIBERAL: liberal})


def test_nftables_mode_takes_the_rule_from_a_node_that_has_nothing_else() -> None:
    (prediction,) = rules_of(guarded(RULE))
    assert (prediction.kind, prediction.event) == ("invalid-rule", "kube-proxy changes to nftables mode")
    assert prediction.remedy == "Add --conntrack-tcp-be-liberal=true to the arguments of kube-proxy, then restart it."


@pytest.mark.parametrize(
    "facts",
    [
        guarded(RULE, liberal=1),
        guarded(RULE, OWN_RULE),
        guarded(),
        guarded(OWN_RULE),
        guarded(RULE, mode="nftables"),
        replace(guarded(RULE), processes=()),
        replace(guarded(RULE), invalid_rules=Unavailable(Reason.NEEDS_ROOT)),
    ],
    ids=["be_liberal", "another rule", "no rule", "only another rule", "nftables now", "no kube-proxy", "not read"],
)
def test_who_has_no_rule_to_lose_or_something_else_loses_nothing(facts: NodeFacts) -> None:
    assert rules_of(facts) == []


@pytest.mark.parametrize(
    ("minor", "how"),
    [
        (28, "in sysctl.d and load nf_conntrack in modules-load.d; kube-proxy has tcpBeLiberal from 1.29 on."),
        (29, "then restart it."),
        (None, "then restart it (from 1.29 on)."),
    ],
)
def test_the_flag_is_the_remedy_from_1_29_on(minor: int | None, how: str) -> None:
    assert rules_of(guarded(RULE, minor=minor))[-1].remedy.endswith(how)


@pytest.mark.parametrize(("minor", "told"), [(28, True), (29, False), (None, False)])
def test_from_1_29_on_be_liberal_alone_protects_a_node_that_has_both(minor: int | None, told: bool) -> None:  # noqa: FBT001
    events = [each.event for each in rules_of(guarded(RULE, liberal=1, minor=minor))]
    assert events == (["kube-proxy becomes 1.29"] if told else [])


def test_ipvs_mode_ends_and_nftables_mode_has_no_rule_either() -> None:
    (prediction,) = rules_of(guarded(mode="ipvs"))
    assert (prediction.kind, prediction.event) == ("ipvs-mode", "kube-proxy becomes 1.40")
    assert prediction.text.endswith("gone with 1.43; as now, nftables mode has no INVALID rule")
    assert prediction.remedy.startswith("Move to nftables mode. Add --conntrack-tcp-be-liberal=true")


def test_ipvs_mode_with_be_liberal_only_has_to_move() -> None:
    (prediction,) = rules_of(guarded(mode="ipvs", liberal=1))
    assert (prediction.text, prediction.remedy) == (
        "IPVS mode is off by default, and gone with 1.43",
        "Move to nftables mode.",
    )


def test_a_machine_without_kubernetes_has_no_upgrade_to_fear() -> None:
    facts = with_values(proxy_node(minor=35, cores=64), {MAX: 2_097_152})
    assert predict(replace(facts, processes=())) == ()
    assert predict(replace(facts, processes=(kube_proxy(minor=35),))) != ()
