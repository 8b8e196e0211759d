"""be_liberal and kube-proxy's INVALID rule as one state machine.

An INVALID segment that is forwarded untranslated resets its connection; be_liberal makes nearly all such segments
valid, the rule drops them (see ``fleet.kernel.invalid``). Since 1.29 kube-proxy installs the rule only where be_liberal
is 0 at its start, and older ones always (https://github.com/kubernetes/kubernetes/pull/120412); it has none in nftables
mode (https://github.com/kubernetes/kubernetes/pull/122663) and in IPVS mode. So setting be_liberal, restarting
kube-proxy and taking be_liberal back leaves a node with neither: worse than before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from fleet.kernel.invalid import BE_LIBERAL, drops_invalid
from fleet.kernel.kube import Mode, proxy_mode
from fleet.kernel.writers.kubeproxy import BEFORE_PROXY
from fleet.kernel.writers.proxyreleases import node_releases
from fleet.kernel.writers.releases import Releases
from fleet.kernel.writers.settled import Outcome, settled
from fleet.kernel.writers.writer import Writer, shown
from fleet.model.facts import NodeFacts, Unavailable
from fleet.model.finding import Moment

Status = Literal["protected by be_liberal", "protected by the INVALID rule", "unprotected", "unknown"]

_CONDITIONAL_SINCE = 29


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What protects a node; None where that is not known.

    Attributes:
        be_liberal: whether nf_conntrack_tcp_be_liberal is 1.
        proxy_rule: whether kube-proxy's rule is there.
        own_rule: whether a rule of somebody else is there, which no kube-proxy touches.
    """

    be_liberal: bool | None
    proxy_rule: bool | None
    own_rule: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a state means, with the reason in one sentence."""

    status: Status
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """Whether INVALID segments can reset connections: now, after a restart of kube-proxy, and after a reboot."""

    now: Verdict
    after_proxy_restart: Verdict
    after_reboot: Verdict

    @property
    def moments(self) -> Mapping[Moment, Verdict]:
        """The verdicts by the names that results carry."""
        return {"now": self.now, "after_proxy_restart": self.after_proxy_restart, "after_reboot": self.after_reboot}


def start_proxy(state: State, mode: Mode, releases: Releases) -> State:
    """The state after kube-proxy has started in a state that holds what it finds, its own be_liberal included."""
    match mode:
        case "iptables":
            return replace(state, proxy_rule=_rule_of_iptables(state, releases))
        case "ipvs" | "nftables":
            return replace(state, proxy_rule=False)
        case "none":
            return state
        case "unknown":
            return replace(state, proxy_rule=None)


def _rule_of_iptables(state: State, releases: Releases) -> bool | None:
    if state.be_liberal is False or (releases.last is not None and releases.last < _CONDITIONAL_SINCE):
        return True
    if state.be_liberal is True and releases.first >= _CONDITIONAL_SINCE:
        return False
    return None


def judge(state: State) -> Verdict:
    """What a state means for forwarded traffic."""
    if state.be_liberal:
        return Verdict(status="protected by be_liberal", reason="nf_conntrack_tcp_be_liberal is 1")
    if state.proxy_rule:
        return Verdict(status="protected by the INVALID rule", reason="kube-proxy's rule drops INVALID segments")
    if state.own_rule:
        return Verdict(
            status="protected by the INVALID rule", reason="a rule that is not kube-proxy's drops INVALID segments"
        )
    unknown = [
        name
        for name, value in (
            ("the value of nf_conntrack_tcp_be_liberal", state.be_liberal),
            ("whether kube-proxy's rule is there", state.proxy_rule),
            ("whether another rule drops INVALID segments", state.own_rule),
        )
        if value is None
    ]
    if unknown:
        return Verdict(status="unknown", reason=f"not known: {', '.join(unknown)}")
    return Verdict(status="unprotected", reason="nf_conntrack_tcp_be_liberal is 0 and no rule drops INVALID segments")


def protection(facts: NodeFacts, boot: str | None, writers: Sequence[Writer]) -> Protection:
    """What protects a node now and later.

    Args:
        facts: of the node.
        boot: the value of be_liberal that the files of the boot leave, ``0`` where none sets it; None where it is not
            known.
        writers: those that ``find_writers`` found.
    """
    found = proxy_mode(facts)
    releases = node_releases(facts)
    value = _live(facts)
    now = state_now(facts)
    future = settled(BE_LIBERAL, value, boot, writers)
    services = [each for each in ("kube-proxy", "k3s") if each in future.after_restart]
    restarted = future.after_restart[services[0]] if services else Outcome(value=value, reason="nothing writes it")
    after_restart = start_proxy(replace(now, be_liberal=_switch(restarted.value)), found.mode, releases)
    final = future.after_reboot.value
    # Where something writes be_liberal at a time of its own, what kube-proxy finds depends on who comes first.
    others = any(writer.key == BE_LIBERAL and writer.kind not in {"kube-proxy", *BEFORE_PROXY} for writer in writers)
    found_at_start = None if others and boot != final else _switch(final)
    # Rules are gone after a reboot; who brings back one that is not kube-proxy's was not read.
    rebooted = State(
        be_liberal=found_at_start,
        proxy_rule=False,
        own_rule=None if now.own_rule or now.own_rule is None else False,
    )
    after_reboot = replace(start_proxy(rebooted, found.mode, releases), be_liberal=_switch(final))
    evidence = shown(found.evidence)
    release = "of a release that nothing shows" if releases == Releases() else str(releases)
    about = f"kube-proxy {release}, {evidence}" if found.mode not in {"none", "unknown"} else evidence
    return Protection(
        now=judge(now),
        after_proxy_restart=_explained(judge(after_restart), about),
        after_reboot=_explained(judge(after_reboot), f"{future.after_reboot.reason}; {about}"),
    )


def state_now(facts: NodeFacts) -> State:
    """What protects a node now."""
    return replace(_rules(facts), be_liberal=_switch(_live(facts)))


def _live(facts: NodeFacts) -> str | None:
    live = facts.sysctls.get(BE_LIBERAL)
    return live.value if live is not None and isinstance(live.value, str) else None


def _rules(facts: NodeFacts) -> State:
    if isinstance(facts.invalid_rules, Unavailable):
        return State(be_liberal=None, proxy_rule=None, own_rule=None)
    dropping = [rule.text for rule in facts.invalid_rules if drops_invalid(rule)]
    own = [text for text in dropping if not _is_of_proxy(text)]
    return State(be_liberal=None, proxy_rule=len(own) < len(dropping), own_rule=bool(own))


def _is_of_proxy(text: str) -> bool:
    return "KUBE-" in text or " kube-proxy" in text


def _switch(value: str | None) -> bool | None:
    return None if value is None else value != "0"


def _explained(verdict: Verdict, about: str) -> Verdict:
    return replace(verdict, reason=f"{verdict.reason} ({about})")
