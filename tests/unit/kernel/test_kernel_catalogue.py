import re

import pytest

from fleet.kernel.catalogue import KEYS
from fleet.kernel.key import Key, Kind
from fleet.kernel.values import normalise, ports_of
from fleet.kernel.version import KernelVersion

_ALL = pytest.mark.parametrize("key", KEYS.values(), ids=lambda key: key.name)


@_ALL
def test_each_key_says_what_it_does_and_where_that_is_written(key: Key) -> None:
    assert re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)+", key.name)
    assert len(key.effect.split()) >= 4
    assert key.sources
    assert all(source.startswith("https://") for source in key.sources)


@_ALL
def test_a_key_that_pods_do_not_inherit_says_how_a_pod_gets_it(key: Key) -> None:
    assert bool(key.pod_remedy) is (key.scope == "namespace")
    assert not key.pod_remedy or key.name in key.pod_remedy


@_ALL
def test_every_default_is_a_value_within_the_bounds(key: Key) -> None:
    for default in key.defaults:
        if default.value is None:
            assert default.note
            continue
        assert normalise(key.name, default.value) == default.value
        assert key.bounds is not None
        for number in _numbers(key, default.value):
            assert key.bounds.admit(number)


@_ALL
def test_defaults_go_from_old_to_new(key: Key) -> None:
    releases = [default.since for default in key.defaults]
    assert releases == sorted(set(releases))


def test_no_two_entries_share_a_name() -> None:
    assert all(name == key.name for name, key in KEYS.items())
    assert len(KEYS) == 60


def test_the_default_depends_on_the_kernel() -> None:
    assert KEYS["net.core.somaxconn"].default_for(KernelVersion(5, 3, 18)) == "128"
    assert KEYS["net.core.somaxconn"].default_for(KernelVersion(5, 4)) == "4096"
    assert KEYS["net.ipv4.tcp_tw_reuse"].default_for(KernelVersion(4, 18)) == "0"
    assert KEYS["net.ipv4.tcp_tw_reuse"].default_for(KernelVersion(6, 1)) == "2"
    assert KEYS["net.netfilter.nf_conntrack_max"].default_for(KernelVersion(6, 1)) is None


@pytest.mark.parametrize(
    ("name", "nonsense"),
    [
        ("net.ipv4.tcp_fin_timeout", -1),
        ("net.netfilter.nf_conntrack_tcp_timeout_established", 0),
        ("net.core.somaxconn", 99_999_999),
    ],
)
def test_nonsense_that_the_kernel_accepts_is_out_of_bounds(name: str, nonsense: int) -> None:
    bounds = KEYS[name].bounds
    assert bounds is not None
    assert not bounds.admit(nonsense)


@pytest.mark.parametrize(
    ("name", "scope"),
    [
        ("net.netfilter.nf_conntrack_max", "host"),
        ("net.core.netdev_max_backlog", "host"),
        ("net.netfilter.nf_conntrack_tcp_be_liberal", "host-namespace"),
        ("net.ipv4.vs.expire_nodest_conn", "host-namespace"),
        ("net.ipv4.tcp_fin_timeout", "namespace"),
        ("net.core.somaxconn", "namespace"),
        ("net.ipv4.ip_local_port_range", "namespace"),
    ],
)
def test_scopes_are_those_that_were_measured(name: str, scope: str) -> None:
    assert KEYS[name].scope == scope


def test_fin_timeout_is_not_sold_as_time_wait() -> None:
    assert "does not shorten TIME_WAIT" in KEYS["net.ipv4.tcp_fin_timeout"].effect


def _numbers(key: Key, value: str) -> list[int]:
    if key.kind in {Kind.PORT_RANGE, Kind.PORT_LIST}:
        return [end for ends in ports_of(key.name, value).ranges for end in ends]
    return [int(value)]
