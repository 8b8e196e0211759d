"""Whether segments that conntrack calls INVALID can reset connections on this node now.

An INVALID segment is not translated back. Its receiver sees it come from an address it never dialled and answers with a
RST that ends the real connection: https://github.com/kubernetes/kubernetes/issues/74839. Two things prevent it:
``nf_conntrack_tcp_be_liberal`` makes such segments valid, and a rule drops them while they are forwarded.
kube-proxy installs the rule in iptables mode only, and only when be_liberal was 0 at its start
(https://github.com/kubernetes/kubernetes/pull/120412); nftables mode has none
(https://github.com/kubernetes/kubernetes/pull/122663), and neither has IPVS mode.
"""

import re

from fleet.model.facts import InvalidRule, NodeFacts, Unavailable

BE_LIBERAL = "net.netfilter.nf_conntrack_tcp_be_liberal"

# A rule that is narrowed to an interface or address protects a part of the traffic only, so it does not count.
_IPTABLES = re.compile(
    r"-A (?:KUBE-)?FORWARD(?: -p tcp(?: -m tcp)?)? -m (?:conntrack --ctstate|state --state) (?:\w+,)*INVALID(?:,\w+)*"
    r"(?: -m (?:comment --comment (?:\"[^\"]*\"|\S+)|nfacct --nfacct-name \S+))* -j DROP"
)
_NFT = re.compile(
    r"\S+ \S+ \S*forward\S*: (?:meta l4proto tcp )?ct state "
    r"(?:(?:[\w,]*\binvalid\b[\w,]*|\{[^}]*\binvalid\b[^}]*\})(?: counter(?: packets \d+ bytes \d+)?)? drop"
    r"|vmap \{[^}]*\binvalid : drop\b[^}]*\})"
    r"(?: comment \"[^\"]*\")?",
    re.IGNORECASE,
)


def drops_invalid(rule: InvalidRule) -> bool:
    """Whether a rule drops every INVALID TCP segment that the node forwards."""
    if rule.backend == "nft":
        return _NFT.fullmatch(rule.text.strip()) is not None
    return _IPTABLES.fullmatch(rule.text.strip()) is not None


def invalid_rule_state(facts: NodeFacts) -> bool | Unavailable:
    """Whether a rule drops forwarded INVALID segments now; unavailable where the rules could not be read."""
    if isinstance(facts.invalid_rules, Unavailable):
        return facts.invalid_rules
    return any(drops_invalid(rule) for rule in facts.invalid_rules)
