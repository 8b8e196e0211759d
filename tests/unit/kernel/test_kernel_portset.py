import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.kernel.portset import PortSet

# Few ports at both ends of the space, so that ranges often meet.
_PAIRS = st.one_of(*(st.tuples(ports, ports) for ports in (st.integers(0, 12), st.integers(65_525, 65_535))))
_RANGES = st.lists(_PAIRS.map(lambda pair: (min(pair), max(pair))), max_size=6)


def _ports(ranges: tuple[tuple[int, int], ...] | list[tuple[int, int]]) -> set[int]:
    return {port for first, last in ranges for port in range(first, last + 1)}


@given(_RANGES)
def test_a_set_holds_the_ports_of_its_ranges_sorted_and_apart(ranges: list[tuple[int, int]]) -> None:
    ports = PortSet.of(ranges)
    assert _ports(ports.ranges) == _ports(ranges)
    assert len(ports) == len(_ports(ranges))
    assert all(last + 1 < first for (_, last), (first, _) in zip(ports.ranges, ports.ranges[1:], strict=False))


@given(_RANGES)
def test_what_is_printed_is_read_back(ranges: list[tuple[int, int]]) -> None:
    ports = PortSet.of(ranges)
    assert PortSet.parse(str(ports)) == ports


@given(_RANGES, _RANGES)
def test_set_operations_agree_with_sets_of_numbers(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> None:
    left, right = PortSet.of(a), PortSet.of(b)
    assert _ports(left.union(right).ranges) == _ports(a) | _ports(b)
    assert _ports(left.intersection(right).ranges) == _ports(a) & _ports(b)
    assert _ports(left.difference(right).ranges) == _ports(a) - _ports(b)
    assert left.covers(right) is (_ports(a) >= _ports(b))
    assert left.overlaps(right) is bool(_ports(a) & _ports(b))
    assert all((port in left) is (port in _ports(a)) for port in (0, 5, 12, 30_000, 65_535))


# Measured on 6.18 by writing to ip_local_reserved_ports.
@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("30000-32767,8080", "8080,30000-32767"),
        ("8080,8081", "8080-8081"),
        ("0x50", "80"),
        ("010", "8"),
        ("80,", "80"),
        ("80\n90", "80,90"),
        ("80,90\n", "80,90"),
        ("\n\n80,\n\n90\n\n", "80,90"),
        ("1-5,3-9,10", "1-10"),
        ("", ""),
        ("80-80", "80"),
    ],
)
def test_a_list_is_printed_as_the_kernel_prints_it(text: str, printed: str) -> None:
    assert str(PortSet.parse(text)) == printed


@pytest.mark.parametrize(
    "text",
    [
        "08080",
        " 80",
        "80 ",
        "80 90",
        "80, 90",
        ",80",
        "80,,90",
        "90-80",
        "65536",
        "1-65536",
        "80-",
        "-1",
        "+80",
        "a",
        "1-2-3",
    ],
)
def test_a_list_that_the_kernel_refuses_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"neither a port|reaches above|begins above"):
        PortSet.parse(text)
