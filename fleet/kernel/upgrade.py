"""What becomes of a node when its Kubernetes is upgraded, or its kube-proxy moves to another mode.

The rules are those of ``fleet.kernel.writers``: each release of kube-proxy is applied to what the one before it leaves,
and what only the newer one brings about is told.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from fleet.kernel.invalid import BE_LIBERAL
from fleet.kernel.k3s import k3s_given
from fleet.kernel.kube import proxy_mode
from fleet.kernel.writers.conntrack import CLOSE_WAIT, ESTABLISHED, MAX, UDP, UDP_STREAM, proxy_effects
from fleet.kernel.writers.find import find_writers
from fleet.kernel.writers.proxyconfig import ProxyConfig, config_of_process
from fleet.kernel.writers.proxyreleases import K3S, node_releases
from fleet.kernel.writers.rancher import embedded_config
from fleet.kernel.writers.releases import Releases
from fleet.kernel.writers.remedies import remedy
from fleet.kernel.writers.settled import applied
from fleet.kernel.writers.trap import State, judge, start_proxy, state_now
from fleet.kernel.writers.writer import Write, Writer
from fleet.model.errors import DocumentError
from fleet.model.facts import NodeFacts

Kind = Literal["value", "invalid-rule", "ipvs-mode"]

_KEYS = (MAX, ESTABLISHED, CLOSE_WAIT, BE_LIBERAL, UDP, UDP_STREAM)
_CONDITIONAL_RULE = 29
# 1.22 and before are long gone, so that a node whose release nothing shows is not held against them.
_BOUNDARIES = (23, _CONDITIONAL_RULE, 36, 38)
_ASSUMED = (_CONDITIONAL_RULE - 1, 35)
_BE_LIBERAL_SINCE = 29
_FIX = "https://github.com/kubernetes/kubernetes/pull/142035"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Something that an upgrade or a change of mode will do to a node.

    Attributes:
        kind: ``value``: a key changes; ``invalid-rule``: kube-proxy's rule goes; ``ipvs-mode``: the mode goes.
        key: the sysctl key, in dots.
        event: what has to happen first, such as ``kube-proxy becomes 1.36``.
        text: what then happens, to follow the names of nodes.
        remedy: what prevents it; empty where nothing has to be done.
    """

    kind: Kind
    key: str
    event: str
    text: str
    remedy: str


def predict(facts: NodeFacts) -> tuple[Prediction, ...]:
    """Tell what changes on a node with newer releases and other modes of kube-proxy.

    Nothing is said of a node without kube-proxy, nor where its configuration or the value now is not known. Where its
    release is not known, what would change with a release is told with that condition.
    """
    mode = proxy_mode(facts).mode
    if mode == "none":
        return ()
    releases = node_releases(facts)
    writers = [writer for writer in find_writers(facts) if writer.kind in {"kube-proxy", "k3s", "rke2"}]
    config = _config(facts)
    changes = _changes(facts, config, releases, writers) if config is not None else ()
    now = state_now(facts)
    match mode:
        case "iptables":
            rules = _of_iptables(now, releases, writers)
        case "ipvs":
            rules = _of_ipvs(now, releases, writers)
        case _:
            rules = iter(())
    return (*dict.fromkeys(changes), *rules)


def _config(facts: NodeFacts) -> ProxyConfig | None:
    processes = facts.processes if isinstance(facts.processes, tuple) else ()
    for process in processes:
        if process.name == "kube-proxy":
            return config_of_process(process, facts.files)
    for process in processes:
        if process.name in K3S:
            try:
                return embedded_config(facts, k3s_given(process, facts.files, "kube-proxy-arg"))
            except DocumentError:
                return None
    return None


def _changes(
    facts: NodeFacts, config: ProxyConfig, releases: Releases, writers: Iterable[Writer]
) -> Iterator[Prediction]:
    for key in _KEYS:
        sysctl = facts.sysctls.get(key)
        if sysctl is None or not isinstance(sysctl.value, str):
            continue
        by_release = {minor: _writes(facts, config, key, minor) for minor in (*_BOUNDARIES, *_starts(releases))}
        for start in _starts(releases):
            # What a restart without an upgrade does is not the upgrade's doing.
            before = {applied(key, sysctl.value, write) for write in by_release[start]} or {sysctl.value}
            for minor in (each for each in _BOUNDARIES if each > start):
                after = {applied(key, value, write) for value in before for write in by_release[minor]} or before
                event = f"kube-proxy becomes 1.{minor}" + ("" if releases.exact else ", if it is older now")
                for value in sorted(filter(None, after - before)):
                    text, lowered_from = _told(key, before, after, value)
                    kept = _remedy(writers, key, str(lowered_from)) if lowered_from else ""
                    yield Prediction(kind="value", key=key, event=event, text=text, remedy=kept)
                before = after
                if releases.exact is None:
                    break


def _starts(releases: Releases) -> tuple[int, ...]:
    """The releases to upgrade from: the node's own, or the last ones before a difference that it may be of."""
    if releases.exact is not None:
        return (releases.exact,)
    return tuple(minor for minor in _ASSUMED if releases.overlap(Releases(first=minor, last=minor)) is not None)


def _writes(facts: NodeFacts, config: ProxyConfig, key: str, minor: int) -> tuple[Write, ...]:
    effects = proxy_effects(config, Releases(first=minor, last=minor), facts.identity)
    return tuple(write for effect in effects if effect.key == key for write in effect.writes)


def _told(key: str, before: set[str | None], after: set[str | None], value: str) -> tuple[str, int | None]:
    """What becomes of a value in words, and the old value where the new one is smaller."""
    old, new = max(map(int, filter(None, before))), int(value)
    text = f"{key.rpartition('.')[2]} {'drops' if new < old else 'rises'} from {old:,} to {new:,}"
    if after & before:
        text += f", unless that release has the fix of {_FIX}"
    return text, old if new < old else None


def _of_iptables(now: State, releases: Releases, writers: Iterable[Writer]) -> Iterator[Prediction]:
    if not now.proxy_rule:
        return
    conditional = Releases(first=_CONDITIONAL_RULE, last=_CONDITIONAL_RULE)
    older = releases.last is not None and releases.last < _CONDITIONAL_RULE
    if older and now.be_liberal and not start_proxy(now, "iptables", conditional).proxy_rule:
        yield Prediction(
            kind="invalid-rule",
            key=BE_LIBERAL,
            event=f"kube-proxy becomes 1.{_CONDITIONAL_RULE}",
            text="it no longer installs the INVALID rule, because be_liberal is 1, which then protects alone",
            remedy="Do not set be_liberal back to 0 without a restart of kube-proxy.",
        )
    if judge(start_proxy(now, "nftables", releases)).status == "unprotected":
        yield Prediction(
            kind="invalid-rule",
            key=BE_LIBERAL,
            event="kube-proxy changes to nftables mode",
            text="the INVALID rule goes, and nothing else keeps INVALID segments from resetting connections",
            remedy=_liberal(releases, writers),
        )


def _of_ipvs(now: State, releases: Releases, writers: Iterable[Writer]) -> Iterator[Prediction]:
    exposed = judge(start_proxy(now, "nftables", releases)).status == "unprotected"
    without = "; as now, nftables mode has no INVALID rule" if exposed else ""
    # https://github.com/kubernetes/enhancements/tree/master/keps/sig-network/5495-deprecate-ipvs-in-kube-proxy
    yield Prediction(
        kind="ipvs-mode",
        key=BE_LIBERAL,
        event="kube-proxy becomes 1.40",
        text=f"IPVS mode is off by default, and gone with 1.43{without}",
        remedy="Move to nftables mode." + (f" {_liberal(releases, writers)}" if exposed else ""),
    )


def _liberal(releases: Releases, writers: Iterable[Writer]) -> str:
    file = f"Set {BE_LIBERAL}=1 in sysctl.d and load nf_conntrack in modules-load.d"
    if releases.last is not None and releases.last < _BE_LIBERAL_SINCE:
        return f"{file}; kube-proxy has tcpBeLiberal from 1.{_BE_LIBERAL_SINCE} on."
    flag = _remedy(writers, BE_LIBERAL, "1")
    if not flag:
        return f"{file}."
    since = f" (from 1.{_BE_LIBERAL_SINCE} on)" if releases.first < _BE_LIBERAL_SINCE else ""
    return f"{flag.removesuffix('.')}{since}."


def _remedy(writers: Iterable[Writer], key: str, value: str) -> str:
    """The remedy for a key, which depends on where its node's kube-proxy is configured; empty where that is unknown."""
    writer = next((replace(writer, key=key) for writer in writers), None)
    return "" if writer is None else remedy(writer, key, value)
