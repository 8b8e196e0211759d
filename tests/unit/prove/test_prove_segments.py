"""Packets of others are read without trust."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from fleet.prove.inside.tcp import RST, Segment, parse


def packet(flags: int, *, options: int = 0, protocol: int = 6) -> bytes:
    head = struct.pack("!BBHHHBBH", 0x45 + options, 0, 40, 0, 0, 64, protocol, 0)
    head += bytes([10, 0, 1, 2]) + bytes([10, 0, 2, 2]) + b"\0" * 4 * options
    return head + struct.pack("!HHIIBBHHH", 40000, 9000, 1, 2, 5 << 4, flags, 512, 0, 0)


def packet_of_ipv6(flags: int, *, protocol: int = 6) -> bytes:
    head = struct.pack("!IHBB", 6 << 28, 20, protocol, 64) + bytes(15) + b"\1" + bytes(15) + b"\2"
    return head + struct.pack("!HHIIBBHHH", 40000, 9000, 1, 2, 5 << 4, flags, 512, 0, 0)


def test_a_reset_is_seen_over_ipv6_too() -> None:
    assert parse(packet_of_ipv6(RST)) == Segment(source="::1", destination="::2", flags=RST)
    assert parse(packet_of_ipv6(RST, protocol=17)) is None


def test_a_reset_is_seen_with_both_addresses() -> None:
    assert parse(packet(RST)) == Segment(source="10.0.1.2", destination="10.0.2.2", flags=RST)


def test_options_of_the_ip_header_are_skipped() -> None:
    seen = parse(packet(RST, options=3))
    assert seen is not None
    assert seen.flags == RST


def test_other_protocols_are_no_segments() -> None:
    assert parse(packet(RST, protocol=17)) is None


@given(st.binary(max_size=80))
def test_any_bytes_are_a_segment_or_none(data: bytes) -> None:
    seen = parse(data)
    assert seen is None or 0 <= seen.flags <= 255


@given(st.integers(min_value=0, max_value=54))
def test_a_packet_that_is_cut_off_does_no_harm(length: int) -> None:
    parse(packet(RST, options=3)[:length])
    parse(packet_of_ipv6(RST)[:length])
