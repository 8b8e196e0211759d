"""Firewall rules about packets that conntrack calls INVALID."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from fleet.facts.answer import MalformedError, text
from fleet.model.facts import InvalidRule, Reason, Unavailable

Backend = Literal["iptables-legacy", "iptables-nft", "nft"]
_BACKENDS: Mapping[bytes, Backend] = {
    b"iptables-legacy": "iptables-legacy",
    b"iptables-nft": "iptables-nft",
    b"nft": "nft",
}
# What iptables-nft prints in its own words.
_TABLES_OF_IPTABLES = ("ip filter ", "ip mangle ")


@dataclass(slots=True)
class _Tools:
    """What the probe said about the firewall tools, collected line by line."""

    rules: list[InvalidRule] = field(default_factory=list)
    said: dict[bytes, set[Backend]] = field(
        default_factory=lambda: {word: set() for word in (b"expect", b"read", b"missing", b"failed")}
    )
    loaded: bool = False
    opaque: bool = False

    def take(self, line: bytes) -> None:
        word, _, rest = line.partition(b" ")
        name, _, rule = rest.partition(b" ")
        backend = _BACKENDS.get(name)
        if backend and word in self.said:
            self.said[word].add(backend)
        elif backend and word == b"rule":
            self.rules.append(InvalidRule(backend=backend, text=text(rule)))
        elif word == b"loaded":
            self.loaded |= name in {b"ip_tables", b"nf_tables"}
        elif word == b"opaque":
            self.opaque = True
        elif word not in {b"ipvs", b"missing", b"program", b""}:
            raise MalformedError("an unknown line about the firewall", line)


def parse_invalid_rules(
    lines: list[bytes], *, uid: int
) -> tuple[tuple[InvalidRule, ...] | Unavailable, tuple[str, ...]]:
    """The rules, and notes on what could not be looked at.

    That there is no rule is certain only where each loaded firewall was read.
    """
    tools = _Tools()
    for line in lines:
        tools.take(line)
    if not tools.loaded:
        return (), ()
    if uid:
        return Unavailable(Reason.NEEDS_ROOT, "firewall rules"), ()
    read = tools.said[b"read"]
    unread = tools.said[b"expect"] - read
    rules = tuple(tools.rules)
    if "iptables-nft" in read:
        # nft prints the rules of iptables-nft once more.
        rules = tuple(rule for rule in rules if rule.backend != "nft" or not rule.text.startswith(_TABLES_OF_IPTABLES))
        if unread == {"nft"}:
            return rules, ("rules of nftables itself were not read: nft is not installed or failed",)
    elif "nft" in read and not tools.opaque:
        unread.discard("iptables-nft")
    if unread:
        first = min(unread)
        reason = Reason.UNREADABLE if first in tools.said[b"failed"] else Reason.NOT_INSTALLED
        return Unavailable(reason, first if first == "nft" else f"{first}-save"), ()
    return rules, ()
