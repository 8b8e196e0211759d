import pytest
from support.kernel import NEEDS_ROOT, node

from fleet.kernel.invalid import BE_LIBERAL, drops_invalid, invalid_rule_state
from fleet.kernel.writers import protection
from fleet.model.facts import InvalidRule

_KUBE_RULE = InvalidRule(backend="iptables-nft", text="-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP")


@pytest.mark.parametrize(
    "text",
    [
        "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP",
        "-A KUBE-FORWARD -m conntrack --ctstate INVALID -m nfacct --nfacct-name ct_state_invalid_dropped_pkts -j DROP",
        "-A FORWARD -m conntrack --ctstate INVALID -j DROP",
        "-A FORWARD -p tcp -m conntrack --ctstate INVALID,UNTRACKED -j DROP",
        '-A FORWARD -m conntrack --ctstate INVALID -m comment --comment "no resets" -j DROP',
        "-A FORWARD -m state --state INVALID -j DROP",
    ],
)
def test_an_iptables_rule_that_drops_all_forwarded_invalid_segments_protects(text: str) -> None:
    assert drops_invalid(InvalidRule(backend="iptables-legacy", text=text))


@pytest.mark.parametrize(
    "text",
    [
        "-A INPUT -m conntrack --ctstate INVALID -j DROP",
        "-A FORWARD -i eth0 -m conntrack --ctstate INVALID -j DROP",
        "-A FORWARD -s 10.0.0.0/8 -m conntrack --ctstate INVALID -j DROP",
        "-A FORWARD -p udp -m conntrack --ctstate INVALID -j DROP",
        "-A FORWARD -m conntrack ! --ctstate INVALID -j DROP",
        "-A FORWARD -m conntrack --ctstate INVALID -j LOG",
        "-A FORWARD -m conntrack --ctstate INVALID -m limit --limit 1/sec -j DROP",
        "-A cali-tw-cali1234 -m conntrack --ctstate INVALID -j DROP",
        "",
    ],
)
def test_a_narrower_iptables_rule_does_not_count(text: str) -> None:
    assert not drops_invalid(InvalidRule(backend="iptables-legacy", text=text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("inet filter forward: ct state invalid drop", True),
        ("ip filter FORWARD: ct state invalid counter packets 3 bytes 180 drop", True),
        ("inet fw forward: ct state invalid,untracked drop", True),
        ("inet fw forward: ct state { invalid, untracked } counter drop", True),
        ("inet fw forward: ct state vmap { invalid : drop, established : accept, related : accept }", True),
        ('inet fw forward: ct state invalid drop comment "no resets"', True),
        ("inet filter input: ct state invalid drop", False),
        ("inet filter forward: ct state invalid accept", False),
        ("inet filter forward: ct state vmap { invalid : accept, established : drop }", False),
        ('inet filter forward: ct state invalid accept comment "drop"', False),
        ('inet filter forward: iifname "eth0" ct state invalid drop', False),
        ("inet filter forward: ct state != invalid drop", False),
        ("inet filter forward: ct state established,related accept", False),
    ],
)
def test_an_nft_rule_counts_only_where_it_drops_all_forwarded_invalid_segments(text: str, expected: object) -> None:
    assert drops_invalid(InvalidRule(backend="nft", text=text)) is expected


@pytest.mark.parametrize(
    ("be_liberal", "rules", "expected"),
    [
        ("0", (), "unprotected"),
        ("0", (_KUBE_RULE,), "protected by the INVALID rule"),
        ("1", (), "protected by be_liberal"),
        ("1", NEEDS_ROOT, "protected by be_liberal"),
        ("0", NEEDS_ROOT, "unknown"),
        (None, (), "unknown"),
        (None, NEEDS_ROOT, "unknown"),
    ],
)
def test_protection_is_told_only_where_it_is_known(be_liberal: str | None, rules: object, expected: str) -> None:
    facts = node(
        sysctls={} if be_liberal is None else {BE_LIBERAL: be_liberal},
        invalid_rules=rules,  # type: ignore[arg-type]
    )
    assert protection(facts, None, ()).now.status == expected


def test_the_state_of_the_rule_is_unknown_without_root() -> None:
    assert invalid_rule_state(node(invalid_rules=NEEDS_ROOT)) == NEEDS_ROOT
    assert invalid_rule_state(node(invalid_rules=(_KUBE_RULE,))) is True
    assert invalid_rule_state(node()) is False
