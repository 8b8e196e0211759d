"""What is promised, and what the programs are asked."""

import pytest
from support.facts import NEEDS_ROOT, node_facts
from support.proofs import MEASURED

from fleet.kernel.invalid import BE_LIBERAL
from fleet.kernel.version import KernelVersion
from fleet.model.facts import InvalidRule
from fleet.model.proof import Fix
from fleet.prove import SCENARIOS, Node, Scenario, node_like
from fleet.prove.inside.__main__ import EXPERIMENTS
from fleet.prove.scenario import cell_request

NEW, OLD = KernelVersion(6, 18), KernelVersion(5, 10)
LOOSE = "net.netfilter.nf_conntrack_tcp_loose"
PROTECTED = Node(values={BE_LIBERAL: "1"})
RULE = Node(invalid_rule=True)
HARDENED = Node(hardened={BE_LIBERAL: "1"}, hardened_pods={"net.ipv4.tcp_tw_reuse": "1"})
ABOVE = SCENARIOS["above-window"]
USUAL = ("before", "be-liberal", "invalid-rule", "hardened")


@pytest.mark.parametrize("name", MEASURED)
def test_promises_are_what_was_measured(name: str) -> None:
    promises = SCENARIOS[name].promises
    assert {fix: promises[fix] for fix in MEASURED[name]} == MEASURED[name]


def test_every_scenario_was_measured() -> None:
    assert set(SCENARIOS) == {*MEASURED, "above-window-ipv6"}


def test_over_ipv6_the_same_is_promised_of_the_same_segment() -> None:
    ipv6 = SCENARIOS["above-window-ipv6"]
    assert ipv6.promises == ABOVE.promises
    requests = [cell_request(scenario, "before", Node(), runs=1) for scenario in (ABOVE, ipv6)]
    assert [request.pop("ipv6") for request in requests] == [False, True]
    assert requests[0] == requests[1]


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_every_scenario_is_tried_with_each_usual_fix(scenario: Scenario) -> None:
    if scenario.name == "eviction":
        return  # each cell takes a full table for a minute
    has_connections = scenario.experiment in {"forged", "lost"}
    assert set(scenario.fixes(HARDENED)) >= {*USUAL, *(("keepalive",) if has_connections else ())}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_every_scenario_is_tried_before_any_fix_with_an_experiment_that_there_is(scenario: Scenario) -> None:
    assert "before" in scenario.fixes(Node())
    assert scenario.experiment in EXPERIMENTS


@pytest.mark.parametrize(
    ("node", "fix", "liberal", "rule"),
    [
        (Node(), "before", None, False),
        (Node(), "be-liberal", "1", False),
        (Node(), "invalid-rule", "0", True),
        (PROTECTED, "before", "1", False),
        (PROTECTED, "invalid-rule", "0", True),
        (RULE, "before", None, True),
        (RULE, "be-liberal", "1", False),
        (PROTECTED, "keepalive", "0", False),
        (RULE, "keepalive", "0", False),
        (RULE, "hardened", None, True),
        (HARDENED, "hardened", "1", False),
        (HARDENED, "before", None, False),
    ],
)
def test_each_fix_stands_alone_and_before_is_the_node_as_it_is(
    node: Node, fix: Fix, liberal: str | None, *, rule: bool
) -> None:
    request = cell_request(ABOVE, fix, node, runs=3)
    assert request["values"]["node"].get(BE_LIBERAL) == liberal
    assert request["invalid_rule"] is rule


@pytest.mark.parametrize(("node", "promise"), [(Node(), "reset"), (PROTECTED, "alive"), (RULE, "alive")])
def test_a_node_that_is_protected_already_promises_as_much_before_any_fix(node: Node, promise: str) -> None:
    assert ABOVE.promised("before", node, NEW) == {promise}


def test_a_node_that_must_be_cured_has_to_be_as_good_as_hardened() -> None:
    assert ABOVE.promised("before", Node(is_cured=True), NEW) == {"alive"}
    assert SCENARIOS["host-network"].promised("before", Node(invalid_rule=True, is_cured=True), NEW) == {"alive"}
    assert SCENARIOS["timeout-server-first"].promised("before", Node(is_cured=True), NEW) == {"reset"}
    assert SCENARIOS["time-wait"].promised("before", Node(is_cured=True), NEW) == {"stays"}


def test_the_rule_promises_nothing_to_a_client_in_the_host_network() -> None:
    assert SCENARIOS["host-network"].promised("before", RULE, NEW) == {"reset"}


def test_an_old_segment_may_reset_on_an_old_kernel_and_only_there_and_only_before_a_fix() -> None:
    old = SCENARIOS["old-segment"]
    assert old.promised("before", Node(), OLD) == {"alive", "reset"}
    assert old.promised("before", Node(), NEW) == {"alive"}
    assert old.promised("be-liberal", Node(), OLD) == {"alive"}
    assert old.promised("before", PROTECTED, OLD) == {"alive"}


def test_the_short_timeout_of_a_scenario_wins_over_the_node_and_the_playbook() -> None:
    key = "net.netfilter.nf_conntrack_tcp_timeout_established"
    node = Node(values={key: "86400"}, hardened={key: "86400"})
    scenario = SCENARIOS["timeout-server-first"]
    assert cell_request(scenario, "hardened", node, runs=1)["values"]["node"][key] == "3"
    assert cell_request(scenario, "timeout", node, runs=1)["values"]["node"][key] == "3600"


def test_pods_are_given_values_only_where_the_playbook_has_the_key_that_counts() -> None:
    ports = SCENARIOS["port-exhaustion"]
    assert "pods" not in ports.fixes(Node(hardened_pods={"net.ipv4.tcp_fin_timeout": "60"}))
    assert "pods" in ports.fixes(HARDENED)
    assert cell_request(ports, "hardened", HARDENED, runs=1)["values"]["client"] == {}
    assert cell_request(ports, "pods", HARDENED, runs=1)["values"]["client"] == HARDENED.hardened_pods


def test_a_node_like_another_has_the_values_that_a_namespace_can_have() -> None:
    facts = node_facts(
        sysctls={
            BE_LIBERAL: 1,
            LOOSE: 0,
            "net.netfilter.nf_conntrack_max": 262144,
            "net.netfilter.nf_conntrack_count": 1234,
            "net.ipv4.ip_forward": 0,
            "net.ipv4.tcp_fin_timeout": NEEDS_ROOT,
        }
    )
    assert node_like(facts).values == {BE_LIBERAL: "1", LOOSE: "0"}


@pytest.mark.parametrize(
    ("rules", "has_it"),
    [
        ((), False),
        ((InvalidRule(backend="iptables-nft", text="-A FORWARD -m conntrack --ctstate INVALID -j DROP"),), True),
        ((InvalidRule(backend="iptables-nft", text="-A INPUT -m conntrack --ctstate INVALID -j DROP"),), False),
        (NEEDS_ROOT, False),
    ],
)
def test_a_node_like_another_has_the_invalid_rule_if_that_has_it(rules: object, *, has_it: bool) -> None:
    assert node_like(node_facts(invalid_rules=rules)).invalid_rule is has_it
