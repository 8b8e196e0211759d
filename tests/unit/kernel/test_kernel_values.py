import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.kernel.values import equal, normalise, ports_of

_RANGE = "net.ipv4.ip_local_port_range"
_RESERVED = "net.ipv4.ip_local_reserved_ports"
_NUMBER = "net.ipv4.tcp_fin_timeout"


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        (_RANGE, "32768\t60999\n", "32768 60999"),
        (_RANGE, "  0x8000   60999 ", "32768 60999"),
        (_RANGE, "40000 50000 # wide", "40000 50000"),
        (_RESERVED, "30000-32767,8080\n", "8080,30000-32767"),
        (_RESERVED, "", ""),
        (_NUMBER, "60\n", "60"),
        (_NUMBER, "0x3c", "60"),
        (_NUMBER, "074", "60"),
        (_NUMBER, "00", "0"),
        (_NUMBER, "-1", "-1"),
        (_NUMBER, "60 # a note", "60"),
        ("vm.unknown_key", " a \t b\n", "a b"),
        ("vm.unknown_key", "0x10", "0x10"),
    ],
)
def test_values_become_what_the_kernel_prints(key: str, text: str, expected: str) -> None:
    assert normalise(key, text) == expected


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (_NUMBER, ""),
        (_NUMBER, "60x"),
        (_NUMBER, "60,70"),
        (_NUMBER, "+60"),
        (_NUMBER, "0x"),
        (_NUMBER, "089"),
        (_NUMBER, "yes"),
        (_NUMBER, "0" * 21 + "60"),
        (_RANGE, "32768"),
        (_RANGE, "32768-60999"),
        (_RANGE, "60999 32768"),
        (_RESERVED, "80 90"),
    ],
)
def test_values_that_the_kernel_refuses_are_refused(key: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"is not (a|two)|begins above|neither a port"):
        normalise(key, text)


@given(st.integers(-(2**31), 2**31 - 1))
def test_spellings_of_one_number_are_equal(number: int) -> None:
    sign, digits = ("-", -number) if number < 0 else ("", number)
    for spelling in (f"{sign}{digits:#x}", f"{sign}0{digits:o}", f" {number}\n", f"{number}\tnote"):
        assert equal(_NUMBER, spelling, str(number))
    assert not equal(_NUMBER, str(number), str(number + 1))


def test_spellings_of_one_list_of_ports_are_equal() -> None:
    assert equal(_RESERVED, "30000-32767,8080", "8080,30000-32767")
    assert not equal(_RESERVED, "30000-32767,8080", "30000-32767")


def test_a_value_that_makes_no_sense_equals_only_itself() -> None:
    assert equal(_NUMBER, "nonsense", " nonsense\n")
    assert not equal(_NUMBER, "nonsense", "60")


def test_keys_that_hold_ports_give_them() -> None:
    assert str(ports_of(_RANGE, "32768\t60999")) == "32768-60999"
    assert str(ports_of(_RESERVED, "9-10,1")) == "1,9-10"
    with pytest.raises(ValueError, match="does not hold ports"):
        ports_of(_NUMBER, "60")
