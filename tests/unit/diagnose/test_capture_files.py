"""Capture files of every form, and what only looks like one."""

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.packets import ACK, block, interface, packet, pcap, section, tcp

from fleet.diagnose.capture.frames import FormatError, Frame, Frames
from fleet.diagnose.capture.read import read_capture
from fleet.diagnose.capture.segments import segment

AT = 1795176000.25
IPV4 = tcp("10.0.0.1:40000", "10.0.0.2:80", ACK, seq=7, ack=9, data=b"four")
IPV6 = tcp("fd00::1:40000", "fd00::2:80", ACK, seq=7, ack=9, data=b"four")
MACS = bytes(12)


def frames(raw: bytes) -> list[Frame]:
    return list(Frames(BytesIO(raw)))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nanoseconds", [False, True])
def test_pcap_of_either_order_and_resolution(order: str, nanoseconds: bool) -> None:  # noqa: FBT001 # a table's column
    raw = pcap([(AT, IPV4), (AT + 1, IPV6)], order=order, nanoseconds=nanoseconds)
    assert frames(raw) == [Frame(AT, 101, IPV4), Frame(AT + 1, 101, IPV6)]


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_whose_interfaces_differ(order: str) -> None:
    raw = (
        section(order)
        + interface(order, 1)
        + interface(order, 101, resolution=9)
        + block(order, 5, b"statistics")
        + packet(order, 0, round(AT * 10**6), b"ethernet")
        + packet(order, 1, round(AT) * 10**9, b"raw")
        + section("<")  # from here on interfaces are counted anew
        + interface("<", 113, resolution=0x81, offset=100)
        + packet("<", 0, 8, b"cooked")
    )
    assert frames(raw) == [Frame(AT, 1, b"ethernet"), Frame(round(AT), 101, b"raw"), Frame(104.0, 113, b"cooked")]


def test_a_capture_that_was_cut_off_is_read_so_far() -> None:
    classic = pcap([(AT, IPV4), (AT, IPV4)])
    blocks = section("<") + interface("<", 101) + packet("<", 0, 1, IPV4) + packet("<", 0, 1, IPV4)
    for raw in (classic, blocks):
        for end in range(28, len(raw)):
            assert read_capture(BytesIO(raw[:end])).count <= 1
        assert read_capture(BytesIO(raw[:-1])).is_cut
        whole = read_capture(BytesIO(raw))
        assert not whole.is_cut


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "neither pcap nor pcapng"),
        (b"\x1f\x8b\x08\x00", "gunzip"),
        (b"GET / HTTP/1.1", "neither pcap nor pcapng"),
        (pcap([])[:24] + b"\0" * 8 + b"\xff" * 8, "damaged"),
        (section("<")[:8] + b"\0" * 20, "byte order"),
        (section("<") + packet("<", 0, 1, IPV4), "interface 0, which was not described"),
        (section("<") + block("<", 1, b""), "unfinished interface"),
        (section("<") + interface("<", 1) + block("<", 6, b"abcd"), "unfinished packet"),
        (section("<") + b"\x01\0\0\0\x07\0\0\0", "damaged"),
        (pcap([(AT, IPV4)], link=105), "link type 105"),
    ],
)
def test_what_is_no_capture_is_refused(raw: bytes, told: str) -> None:
    with pytest.raises(FormatError, match=told):
        read_capture(BytesIO(raw))


@pytest.mark.parametrize("ip", [IPV4, IPV6])
def test_segments_are_found_behind_each_kind_of_header(ip: bytes) -> None:
    kind = b"\x08\x00" if ip is IPV4 else b"\x86\xdd"
    framed = [
        (1, MACS + kind + ip),
        (1, MACS + b"\x81\x00\x00\x07" + kind + ip),
        (1, MACS + b"\x88\xa8\x00\x07\x81\x00\x00\x07" + kind + ip),
        (113, bytes(14) + kind + ip),
        (276, kind + bytes(18) + ip),
        (101, ip),
        (0, bytes(4) + ip),
    ]
    for link, data in framed:
        found = segment(Frame(AT, link, data))
        assert found is not None
        assert (str(found.source.words), found.destination.port) == (str(found.source.words), 80)
        assert (found.seq, found.ack, found.length, found.has_data) == (7, 9, 4, True)
        assert found.source.words.address == ("10.0.0.1" if ip is IPV4 else "fd00::1")


def test_only_whole_tcp_headers_are_segments() -> None:
    later_fragment = IPV4[:6] + b"\x00\x01" + IPV4[8:]
    udp = IPV4[:9] + b"\x11" + IPV4[10:]
    arp = MACS + b"\x08\x06" + bytes(46)
    hopped = IPV6[:6] + b"\x00" + IPV6[7:40] + b"\x06\x00" + bytes(6) + IPV6[40:]
    assert segment(Frame(AT, 101, later_fragment)) is None
    assert segment(Frame(AT, 101, udp)) is None
    assert segment(Frame(AT, 1, arp)) is None
    assert segment(Frame(AT, 101, hopped)) is not None
    for end in range(40):
        assert segment(Frame(AT, 101, IPV4[:end])) is None


def test_the_length_of_what_was_not_kept_is_known() -> None:
    long = tcp("10.0.0.1:40000", "10.0.0.2:80", ACK, data=bytes(1000))
    found = segment(Frame(AT, 101, long[:60]))
    assert found is not None
    assert found.length == 1000


@given(st.binary(max_size=200), st.sampled_from([b"", pcap([])[:24], section("<"), section("<") + interface("<", 1)]))
def test_no_bytes_are_too_strange(raw: bytes, start: bytes) -> None:
    try:
        seen = read_capture(BytesIO(start + raw))
    except FormatError:
        return
    assert seen.resets == [] or seen.count


@given(st.binary(max_size=120), st.sampled_from([0, 1, 101, 113, 276]))
def test_no_frame_is_too_strange(raw: bytes, link: int) -> None:
    read_capture(BytesIO(pcap([(AT, raw)], link=link)))
