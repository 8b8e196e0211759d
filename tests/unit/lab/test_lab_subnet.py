from ipaddress import IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from fleet.lab.subnet import first_free

RANGE = IPv4Network("198.18.0.0/15")


@st.composite
def networks(draw: st.DrawFn) -> IPv4Network:
    address = int(RANGE.network_address) + draw(st.integers(0, RANGE.num_addresses - 1))
    return IPv4Network((address, draw(st.integers(0, 32))), strict=False)


@given(st.lists(networks(), max_size=80))
def test_what_is_chosen_lies_in_the_range_and_overlaps_nothing_more_specific(used: list[IPv4Network]) -> None:
    chosen = first_free(used)
    if chosen is not None:
        assert chosen.subnet_of(RANGE)
        assert chosen.prefixlen == 22
        assert not any(chosen.overlaps(network) for network in used if network.prefixlen > RANGE.prefixlen)


def test_the_first_is_taken_when_nothing_is_in_the_way() -> None:
    everything, elsewhere = IPv4Network("0.0.0.0/0"), IPv4Network("192.0.2.0/24")
    assert first_free([everything, elsewhere]) == IPv4Network("198.18.0.0/22")


def test_one_address_in_use_keeps_the_whole_subnet_from_being_taken() -> None:
    assert first_free([IPv4Network("198.18.3.255/32")]) == IPv4Network("198.18.4.0/22")


def test_none_is_free_when_both_halves_are_routed() -> None:
    assert first_free(RANGE.subnets(new_prefix=16)) is None
