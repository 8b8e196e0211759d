"""What kube-proxy does to conntrack at its start, release by release.

Read in kubernetes ``pkg/proxy/conntrack/sysctls.go`` and, for older releases, ``cmd/kube-proxy/app/conntrack.go``:

* the limit is max(maxPerCore x cores, min); maxPerCore of 0 leaves it alone, and min with it;
* 1.23 to 1.28 only raise what they find (https://github.com/kubernetes/kubernetes/pull/103174), before and after them
  it is lowered too (https://github.com/kubernetes/kubernetes/pull/120448);
* 1.36 caps maxPerCore x cores at 1,048,576 and leaves out min where it does
  (https://github.com/kubernetes/kubernetes/pull/137002);
* 1.38 no longer lowers the limit (https://github.com/kubernetes/kubernetes/pull/142035); whether a 1.36 or 1.37 has
  that fix depends on its patch release;
* the hash table grows to a quarter of the limit and never shrinks;
* be_liberal and the UDP timeouts came with 1.29; be_liberal is set to 1 or left alone, never set to 0.

Cores are counted from /sys, not from the container's share of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from fleet.kernel.invalid import BE_LIBERAL
from fleet.kernel.writers.proxyconfig import ProxyConfig, Setting
from fleet.kernel.writers.releases import Era, Releases, era, possible_writes
from fleet.kernel.writers.writer import Write
from fleet.model.facts import Identity

MAX = "net.netfilter.nf_conntrack_max"
BUCKETS = "net.netfilter.nf_conntrack_buckets"
ESTABLISHED = "net.netfilter.nf_conntrack_tcp_timeout_established"
CLOSE_WAIT = "net.netfilter.nf_conntrack_tcp_timeout_close_wait"
UDP = "net.netfilter.nf_conntrack_udp_timeout"
UDP_STREAM = "net.netfilter.nf_conntrack_udp_timeout_stream"

CAP = 1_048_576
"""Most entries that cores alone ask for since 1.36."""

_PER_BUCKET = 4
# The kernel rounds the table up to whole pages of 8-byte buckets. Pages are 4 KiB on x86, up to 64 KiB elsewhere.
_BUCKETS_A_PAGE = 512
_BUCKETS_A_LARGE_PAGE = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a start does to one key: the possible writes, why they are not certain, and from what that is known."""

    key: str
    writes: tuple[Write, ...]
    reason: str
    evidence: tuple[str, ...]


def table_limit(config: ProxyConfig, cores: int, *, capped: bool) -> int:
    """The limit that kube-proxy computes; 0 where it leaves the key alone. Both settings must be known."""
    per_core, least = config["maxPerCore"].value or 0, config["min"].value or 0
    if per_core <= 0:
        return 0
    scaled = per_core * cores
    # The cap stands before the comparison with min, so that min does not count on a node that reaches it.
    return CAP if capped and scaled > CAP else max(scaled, least)


def proxy_effects(config: ProxyConfig, releases: Releases, identity: Identity) -> Iterator[Effect]:
    """What kube-proxy itself writes at its start."""
    yield from _table(config, releases, identity)
    for name, key in (("tcpEstablishedTimeout", ESTABLISHED), ("tcpCloseWaitTimeout", CLOSE_WAIT)):
        seconds = config[name].seconds
        eras = (era(0, 22, ("sets", seconds)), era(23, 28, ("raises", seconds)), era(29, None, ("sets", seconds)))
        yield from _one(config[name], key, eras, releases)
    for name, key in (("tcpBeLiberal", BE_LIBERAL), ("udpTimeout", UDP), ("udpStreamTimeout", UDP_STREAM)):
        setting = config[name]
        number = setting.value if name == "tcpBeLiberal" else setting.seconds
        yield from _one(setting, key, (era(0, 28, ("leaves", None)), era(29, None, ("sets", number))), releases)


def _table(config: ProxyConfig, releases: Releases, identity: Identity) -> Iterator[Effect]:
    per_core, least = config["maxPerCore"], config["min"]
    if per_core.value is not None and per_core.value <= 0:
        return
    evidence: tuple[str, ...] = (per_core.origin, least.origin)
    if problem := per_core.problem or least.problem:
        for key in (MAX, BUCKETS):
            yield Effect(key=key, writes=(), reason=problem, evidence=evidence)
        return
    cores = identity.cores
    full, capped = (table_limit(config, cores, capped=each) for each in (False, True))
    formula = f"max({per_core.value} x {cores} cores, {least.value}) = {full}"
    if capped != full:
        formula += f", since 1.36 {capped}"
    eras = (
        era(0, 22, ("sets", full)),
        era(23, 28, ("raises", full)),
        era(29, 35, ("sets", full)),
        era(36, 37, ("sets", capped), ("raises", capped)),
        era(38, None, ("raises", capped)),
    )
    yield _effect(MAX, eras, releases, (*evidence, formula))
    evidence = (*evidence, f"{formula}; the hash table grows to a quarter of it")
    if identity.arch != "x86_64" and any(_buckets(each) % _BUCKETS_A_LARGE_PAGE for each in (full, capped)):
        reason = "the kernel rounds the hash table up to whole pages, whose size was not read"
        yield Effect(key=BUCKETS, writes=(), reason=reason, evidence=evidence)
        return
    buckets = (era(0, 35, ("raises", _buckets(full))), era(36, None, ("raises", _buckets(capped))))
    yield _effect(BUCKETS, buckets, releases, evidence)


def _buckets(limit: int) -> int:
    return -(-(limit // _PER_BUCKET) // _BUCKETS_A_PAGE) * _BUCKETS_A_PAGE


def _one(setting: Setting, key: str, eras: tuple[Era, ...], releases: Releases) -> Iterator[Effect]:
    if setting.problem:
        yield Effect(key=key, writes=(), reason=setting.problem, evidence=(setting.origin,))
    elif (setting.value or 0) > 0:
        effect = _effect(key, eras, releases, (setting.origin,))
        if any(write.value is not None for write in effect.writes):
            yield effect


def _effect(key: str, eras: tuple[Era, ...], releases: Releases, evidence: tuple[str, ...]) -> Effect:
    writes = possible_writes(eras, releases)
    reason = ""
    if len(writes) > 1:
        known = "its release is not known" if releases.exact is None else f"patch releases of {releases} differ"
        reason = f"{known}, and what it writes depends on that"
    return Effect(key=key, writes=writes, reason=reason, evidence=evidence)
