"""be_liberal and the INVALID rule, for every state, mode and release (domain facts 0.6, 0.7, A1.12 to A1.15)."""

from itertools import product

import pytest
from support.kernel import NEEDS_ROOT, node, process
from support.writers import K3S_FILE, kube_proxy

from fleet.kernel.kube import Mode
from fleet.kernel.writers import Protection, Releases, State, find_writers, judge, protection, start_proxy
from fleet.model.facts import InvalidRule, NodeFacts, NodeProcess, Unavailable

BE_LIBERAL = "net.netfilter.nf_conntrack_tcp_be_liberal"
_OLD = Releases(first=28, last=28)
_NEW = Releases(first=29, last=29)
_LATER = Releases(first=29)
_EARLIER = Releases(last=28)
_ANY = Releases()
_TRILEAN = (True, False, None)

Answers = dict[bool | None, bool | None]
# be_liberal at kube-proxy's start -> whether it installs its rule, by mode and releases.
_NEVER: Answers = {False: False, True: False, None: False}
_NOT_KNOWN: Answers = {False: None, True: None, None: None}
_TABLE: list[tuple[Mode, Releases, Answers]] = [
    ("iptables", _EARLIER, {False: True, True: True, None: True}),
    ("iptables", _OLD, {False: True, True: True, None: True}),
    ("iptables", _NEW, {False: True, True: False, None: None}),
    ("iptables", _LATER, {False: True, True: False, None: None}),
    ("iptables", _ANY, {False: True, True: None, None: None}),
    ("nftables", _OLD, _NEVER),
    ("nftables", _NEW, _NEVER),
    ("nftables", _ANY, _NEVER),
    ("ipvs", _OLD, _NEVER),
    ("ipvs", _NEW, _NEVER),
    ("ipvs", _ANY, _NEVER),
    ("unknown", _OLD, _NOT_KNOWN),
    ("unknown", _NEW, _NOT_KNOWN),
    ("unknown", _ANY, _NOT_KNOWN),
]


@pytest.mark.parametrize(("mode", "releases", "rules"), _TABLE)
@pytest.mark.parametrize(("before", "own"), list(product(_TRILEAN, _TRILEAN)))
def test_kube_proxy_decides_about_its_rule_when_it_starts(
    *, mode: Mode, releases: Releases, rules: Answers, before: bool | None, own: bool | None
) -> None:
    for be_liberal, rule in rules.items():
        state = State(be_liberal=be_liberal, proxy_rule=before, own_rule=own)
        expected = State(be_liberal=be_liberal, proxy_rule=rule, own_rule=own)
        assert start_proxy(state, mode, releases) == expected


@pytest.mark.parametrize(("be_liberal", "rule", "own"), list(product(_TRILEAN, repeat=3)))
def test_without_kube_proxy_a_start_changes_nothing(
    *, be_liberal: bool | None, rule: bool | None, own: bool | None
) -> None:
    state = State(be_liberal=be_liberal, proxy_rule=rule, own_rule=own)
    for releases in (_OLD, _NEW, _ANY):
        assert start_proxy(state, "none", releases) == state


@pytest.mark.parametrize(("be_liberal", "rule", "own"), list(product(_TRILEAN, repeat=3)))
def test_a_state_is_judged_by_what_is_certain(*, be_liberal: bool | None, rule: bool | None, own: bool | None) -> None:
    verdict = judge(State(be_liberal=be_liberal, proxy_rule=rule, own_rule=own))
    if be_liberal:
        expected = "protected by be_liberal"
    elif rule or own:
        expected = "protected by the INVALID rule"
    elif None in {be_liberal, rule, own}:
        expected = "unknown"
    else:
        expected = "unprotected"
    assert verdict.status == expected
    assert verdict.reason


_RULE = InvalidRule(backend="iptables-nft", text="-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP")
_OWN_RULE = InvalidRule(backend="iptables-nft", text="-A FORWARD -m conntrack --ctstate INVALID -j DROP")
_LIBERAL = "--conntrack-tcp-be-liberal=true"


def _node(
    mode: str,
    live: str,
    *rules: InvalidRule,
    minor: int | None = 31,
    flags: tuple[str, ...] = (),
    hidden: Unavailable | None = None,
) -> NodeFacts:
    processes: tuple[NodeProcess, ...] = (kube_proxy(f"--proxy-mode={mode}", *flags, minor=minor),)
    if mode == "none":
        processes = (process("kubelet"), process("cilium-agent"))
    return node(processes=processes, sysctls={BE_LIBERAL: live}, invalid_rules=hidden or rules)


def _protection(facts: NodeFacts, boot: str | None) -> Protection:
    return protection(facts, boot, find_writers(facts))


def _statuses(facts: NodeFacts, boot: str | None) -> tuple[str, str, str]:
    found = _protection(facts, boot)
    return found.now.status, found.after_proxy_restart.status, found.after_reboot.status


_BY_LIBERAL, _BY_RULE, _NOTHING, _UNKNOWN = (
    "protected by be_liberal",
    "protected by the INVALID rule",
    "unprotected",
    "unknown",
)


@pytest.mark.parametrize(
    ("facts", "boot", "expected"),
    [
        # The usual node of today: the rule, again and again.
        (_node("iptables", "0", _RULE), "0", (_BY_RULE, _BY_RULE, _BY_RULE)),
        (_node("iptables", "0", _RULE, minor=28), "0", (_BY_RULE, _BY_RULE, _BY_RULE)),
        # Set in a file and live; the rule goes at the next start.
        (_node("iptables", "1", _RULE), "1", (_BY_LIBERAL, _BY_LIBERAL, _BY_LIBERAL)),
        # Set live but in no file: lost at the reboot, and then the rule comes back.
        (_node("iptables", "1"), "0", (_BY_LIBERAL, _BY_LIBERAL, _BY_RULE)),
        # In a file but not live yet.
        (_node("iptables", "0", _RULE), "1", (_BY_RULE, _BY_RULE, _BY_LIBERAL)),
        # Taken back after kube-proxy started with 1: neither, until it starts again.
        (_node("iptables", "0"), "0", (_NOTHING, _BY_RULE, _BY_RULE)),
        (_node("iptables", "0", minor=None), "0", (_NOTHING, _BY_RULE, _BY_RULE)),
        # kube-proxy sets it itself, from its next start on.
        (_node("iptables", "0", _RULE, flags=(_LIBERAL,)), "0", (_BY_RULE, _BY_LIBERAL, _BY_LIBERAL)),
        # nftables and IPVS never have the rule, and lose what a mode before left.
        (_node("nftables", "0"), "0", (_NOTHING, _NOTHING, _NOTHING)),
        (_node("nftables", "0", _RULE), "0", (_BY_RULE, _NOTHING, _NOTHING)),
        (_node("nftables", "1"), "0", (_BY_LIBERAL, _BY_LIBERAL, _NOTHING)),
        (_node("nftables", "0", flags=(_LIBERAL,)), "0", (_NOTHING, _BY_LIBERAL, _BY_LIBERAL)),
        (_node("ipvs", "0"), "0", (_NOTHING, _NOTHING, _NOTHING)),
        (_node("ipvs", "1"), "1", (_BY_LIBERAL, _BY_LIBERAL, _BY_LIBERAL)),
        # An operator's own rule outlives kube-proxy; what restores it at boot is not known.
        (_node("nftables", "0", _OWN_RULE), "0", (_BY_RULE, _BY_RULE, _UNKNOWN)),
        (_node("iptables", "0", _OWN_RULE), "0", (_BY_RULE, _BY_RULE, _BY_RULE)),
        # No kube-proxy: nothing brings a rule back.
        (_node("none", "0"), "0", (_NOTHING, _NOTHING, _NOTHING)),
        (_node("none", "0", _RULE), "0", (_BY_RULE, _BY_RULE, _NOTHING)),
        (_node("none", "1"), "1", (_BY_LIBERAL, _BY_LIBERAL, _BY_LIBERAL)),
        # What could not be read stays unknown where it matters.
        (_node("iptables", "0", hidden=NEEDS_ROOT), "0", (_UNKNOWN, _BY_RULE, _BY_RULE)),
        (_node("nftables", "0", hidden=NEEDS_ROOT), "0", (_UNKNOWN, _UNKNOWN, _UNKNOWN)),
        (_node("iptables", "0", _RULE), None, (_BY_RULE, _BY_RULE, _UNKNOWN)),
        (_node("iptables", "0", _RULE, minor=28), None, (_BY_RULE, _BY_RULE, _BY_RULE)),
        (_node("userspace", "0", _RULE), "0", (_BY_RULE, _UNKNOWN, _UNKNOWN)),
    ],
)
def test_protection_is_told_for_now_a_restart_and_a_reboot(
    facts: NodeFacts, boot: str | None, expected: tuple[str, str, str]
) -> None:
    assert _statuses(facts, boot) == expected


def test_a_rule_in_kube_proxys_nftables_table_is_kube_proxys_own() -> None:
    rule = InvalidRule(backend="nft", text="ip kube-proxy filter-forward: ct state invalid drop")
    assert _statuses(_node("nftables", "0", rule), "0") == (_BY_RULE, _NOTHING, _NOTHING)


def test_k3s_protects_by_its_kube_proxy_arg() -> None:
    facts = node(
        processes=(process("k3s-server", "server"),),
        files={K3S_FILE: "kube-proxy-arg:\n- conntrack-tcp-be-liberal=true\n"},
        sysctls={BE_LIBERAL: "0"},
        invalid_rules=(_RULE,),
    )
    assert _statuses(facts, "0") == (_BY_RULE, _BY_LIBERAL, _BY_LIBERAL)


def test_a_writer_that_takes_be_liberal_back_at_a_time_of_its_own_leaves_the_rule_unknown() -> None:
    files = {
        "/etc/tuned/mine/tuned.conf": f"[sysctl]\n{BE_LIBERAL}=0\n",
        "/etc/tuned/tuned-main.conf": "",
    }
    processes = (kube_proxy(minor=31), process("tuned"))
    facts = node(processes=processes, files=files, sysctls={BE_LIBERAL: "1"}, tuned_profile="mine")
    assert _protection(facts, "1").after_reboot.status == _UNKNOWN
    assert _protection(facts, "0").after_reboot.status == _BY_RULE


def test_ufw_takes_be_liberal_back_before_kube_proxy_looks() -> None:
    files = {
        "/etc/default/ufw": "IPT_SYSCTL=/etc/ufw/sysctl.conf\n",
        "/etc/ufw/sysctl.conf": "net/netfilter/nf_conntrack_tcp_be_liberal=0\n",
    }
    facts = node(processes=(kube_proxy(minor=31),), files=files, sysctls={BE_LIBERAL: "1"}, ufw_enabled=True)
    assert _protection(facts, "1").after_reboot.status == _BY_RULE


def test_reasons_name_the_mode_and_the_release() -> None:
    found = _protection(_node("nftables", "0"), "0")
    assert "kube-proxy 1.31" in found.after_reboot.reason
    assert "nftables" in found.after_reboot.reason
