import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.kernel.sizing import ConntrackSizing, chain_length, size_conntrack

_GIB = 2**30
_MIB = 2**20
_TABLE = Path(__file__).with_name("sizing.md")
_SHARE = 1 / 16


def _size(ram_bytes: int, cores: int, *, object_bytes: int | None = None, **traffic: float | None) -> ConntrackSizing:
    node = {"peak_entries": None, "headroom": 2, "ram_share": _SHARE} | traffic
    return size_conntrack(ram_bytes=ram_bytes, cores=cores, object_bytes=object_bytes, **node)  # type: ignore[arg-type]  # by name


def _rows() -> list[tuple[str, ...]]:
    lines = [line for line in _TABLE.read_text().splitlines() if line.startswith("|")]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines[2:]]


@pytest.mark.parametrize("row", _rows(), ids=lambda row: f"{row[0]}GiB-{row[1]}cores-{row[2] or 'no'}peak")
def test_sizes_are_those_of_the_table(row: tuple[str, ...]) -> None:
    ram, cores, peak, *expected = row
    sizing = _size(int(ram) * _GIB, int(cores), peak_entries=int(peak) if peak else None)
    numbers = (sizing.base, sizing.demand, sizing.max, sizing.buckets, sizing.chain_length, sizing.memory_bytes // _MIB)
    assert [
        *(f"{number:g}" if isinstance(number, float) else str(number) for number in numbers),
        sizing.limited_by,
    ] == expected


# What the tables of machines and clouds offer: 2^n and 3 x 2^n GiB.
_NOMINAL_GIB = sorted({size for n in range(11) for size in (2**n, 3 * 2**n) if size <= 1536})


@pytest.mark.parametrize("nominal", _NOMINAL_GIB)
@pytest.mark.parametrize("object_bytes", [None, 256, 272, 288, 304, 320])
@pytest.mark.parametrize("cores", [2, 48])
def test_memory_that_firmware_takes_does_not_change_the_size(
    nominal: int, object_bytes: int | None, cores: int
) -> None:
    sizes = {
        _size(nominal * _GIB * permille // 1000, cores, object_bytes=object_bytes, peak_entries=1_500_000).max
        for permille in range(940, 1000)
    }
    assert len(sizes) == 1


_RAM = st.integers(64 * _MIB, 4096 * _GIB)
_CORES = st.integers(1, 1024)
_OBJECT = st.none() | st.integers(200, 640)
_PEAK = st.none() | st.integers(0, 10_000_000)
_HEADROOM = st.floats(1, 16)


_TRAFFIC = st.fixed_dictionaries({"peak_entries": _PEAK, "headroom": _HEADROOM})


@given(_RAM, _CORES, _OBJECT, _TRAFFIC, st.floats(0.005, 0.5))
def test_a_table_never_takes_more_than_its_share(
    ram: int, cores: int, object_bytes: int | None, traffic: dict[str, float | None], share: float
) -> None:
    sizing = _size(ram, cores, object_bytes=object_bytes, ram_share=share, **traffic)
    assert sizing.memory_bytes <= ram * share or sizing.max == 1024
    assert 1024 <= sizing.max <= 4_194_304
    assert sizing.base <= sizing.demand <= sizing.max


@given(_RAM, _CORES, _OBJECT, _PEAK, _HEADROOM)
def test_buckets_are_what_the_kernel_prints_back(
    ram: int, cores: int, object_bytes: int | None, peak: int | None, headroom: float
) -> None:
    sizing = _size(ram, cores, object_bytes=object_bytes, peak_entries=peak, headroom=headroom)
    if sizing.buckets >= 8192:
        for page_size in (4096, 16_384, 65_536):
            assert sizing.buckets * 8 % page_size == 0
    assert sizing.buckets == sizing.hashsize == sizing.max
    assert sizing.chain_length == 2


@given(_RAM, _RAM, _CORES, _OBJECT, _PEAK)
def test_more_memory_never_gives_a_smaller_table(
    a: int, b: int, cores: int, object_bytes: int | None, peak: int | None
) -> None:
    small, large = sorted((a, b))
    assert (
        _size(small, cores, object_bytes=object_bytes, peak_entries=peak).max
        <= _size(large, cores, object_bytes=object_bytes, peak_entries=peak).max
    )


@given(_RAM, _CORES, st.integers(0, 10_000_000), _HEADROOM)
def test_the_peak_fits_with_headroom_unless_a_limit_is_named(ram: int, cores: int, peak: int, headroom: float) -> None:
    sizing = _size(ram, cores, peak_entries=peak, headroom=headroom)
    assert sizing.max >= math.ceil(peak * headroom) or sizing.limited_by != "demand"


@given(st.integers(1, 4096), _CORES)
def test_no_node_with_a_gib_goes_below_what_kube_proxy_starts_from(gib: int, cores: int) -> None:
    assert _size(gib * _GIB, cores).max >= 131_072


def test_each_number_is_explained() -> None:
    sizing = _size(24 * _GIB, 8, object_bytes=256, peak_entries=200_000)
    assert sizing.explanation == (
        "8 cores at 32768 entries each, at least 131072 and at most 1048576: 262144",
        "a peak of 200000 entries with headroom 2: 400000",
        "6.25% of RAM at 264 bytes (from slabinfo) an entry with its bucket allows 4194304",
        "400000 are needed; as a power of two, and not below the kernel's own default: 524288",
        "524288 buckets keep chains at 2 entries; the full table takes 132 MiB",
    )


def test_k3s_with_old_buckets_has_long_chains() -> None:
    assert chain_length(2_097_152, 65_536) == 64


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"ram_bytes": 0}, "cannot be sized"),
        ({"cores": 0}, "cannot be sized"),
        ({"object_bytes": 0}, "not possible"),
        ({"peak_entries": -1}, "not possible"),
        ({"headroom": 0.5}, "below 1"),
        ({"ram_share": 0.0}, "not above 0"),
        ({"ram_share": 1.5}, "not above 0"),
    ],
)
def test_a_node_that_makes_no_sense_is_refused(wrong: dict[str, float], message: str) -> None:
    node: dict[str, float | None] = {
        "ram_bytes": _GIB,
        "cores": 1,
        "object_bytes": None,
        "peak_entries": None,
        "headroom": 2,
        "ram_share": _SHARE,
    }
    with pytest.raises(ValueError, match=message):
        size_conntrack(**(node | wrong))  # type: ignore[arg-type]  # the arguments are wrong on purpose
