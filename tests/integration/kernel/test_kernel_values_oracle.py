"""The kernel itself as the judge of what fleet.kernel says about values."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleet.kernel.values import fold, normalise

pytestmark = pytest.mark.root

_RANGE = "net.ipv4.ip_local_port_range"
_RESERVED = "net.ipv4.ip_local_reserved_ports"
_NUMBER = "net.ipv4.tcp_max_tw_buckets"
_SETTINGS = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# Writes what it reads into one key and prints what the kernel then says, or REFUSED; one process serves all examples.
_WRITER = Path(__file__).with_name("write_sysctl.sh")


class Kernel:
    """A network namespace whose keys are written and read back."""

    def __init__(self) -> None:
        command = ["unshare", "-n", "sh", str(_WRITER)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def write(self, key: str, text: str) -> str | None:
        """What the kernel prints after the write, with whitespace folded; None where it refused."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        octal = "".join(f"\\{ord(character):03o}" for character in text)
        self._process.stdin.write(f"{key.replace('.', '/')} {octal}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the writer ended"
        return None if answer == "REFUSED\n" else fold(answer.removeprefix("="))

    def close(self) -> None:
        self._process.communicate()
        assert self._process.returncode == 0


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    running = Kernel()
    yield running
    running.close()


def _expected(key: str, text: str) -> str | None:
    try:
        return normalise(key, text)
    except ValueError:
        return None


def _spelled(number: int) -> st.SearchStrategy[str]:
    return st.sampled_from((str(number), f"{number:#x}", f"{number:#X}", f"0{number:o}"))


_PORT = st.integers(0, 65_535).flatmap(_spelled)
_PORT_RANGE = st.tuples(st.integers(0, 65_535), st.integers(0, 65_535)).map(lambda pair: f"{min(pair)}-{max(pair)}")
_ITEMS = st.lists(_PORT | _PORT_RANGE, min_size=1, max_size=12)
_LIST = st.tuples(_ITEMS, st.sampled_from((",", "\n")), st.sampled_from(("", "\n"))).map(
    lambda parts: parts[1].join(parts[0]) + parts[2]
)
_NOISE = st.text(alphabet="0123456789xXaf-+, \t\n#", min_size=1, max_size=24)
_BLANK = st.text(alphabet=" \t\n", min_size=1, max_size=3)


@given(text=_LIST)
@_SETTINGS
def test_the_kernel_prints_a_list_of_ports_as_told(kernel: Kernel, text: str) -> None:
    assert kernel.write(_RESERVED, text) == normalise(_RESERVED, text)


@given(low=st.integers(1024, 65_535), high=st.integers(1024, 65_535), blank=_BLANK, spelling=st.data())
@_SETTINGS
def test_the_kernel_prints_a_range_of_ports_as_told(
    kernel: Kernel, low: int, high: int, blank: str, spelling: st.DataObject
) -> None:
    text = spelling.draw(_spelled(low)) + blank + spelling.draw(_spelled(high))
    assert kernel.write(_RANGE, text) == _expected(_RANGE, text)


@given(
    number=st.integers(0, 2**31 - 1).flatmap(_spelled),
    sign=st.sampled_from(("", "-")),
    after=st.sampled_from(("", "\n", " # x", " 7")),
)
@_SETTINGS
def test_the_kernel_prints_a_number_as_told(kernel: Kernel, number: str, sign: str, after: str) -> None:
    text = f"{sign}{number}{after}"
    assert kernel.write(_NUMBER, text) == normalise(_NUMBER, text)


@given(text=_NOISE)
@_SETTINGS
def test_what_is_refused_here_the_kernel_refuses_too(kernel: Kernel, text: str) -> None:
    for key in (_NUMBER, _RESERVED):
        printed, expected = kernel.write(key, text), _expected(key, text)
        # Text of blanks alone changes nothing in the kernel; a value of nothing is refused here.
        assert printed == expected or not text.strip() or (expected is not None and printed is None)
