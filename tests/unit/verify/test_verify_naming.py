import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.verify.naming import host_of

NAMES = frozenset({"web-1", "web-1-b", "web", "db:2"})


@pytest.mark.parametrize(
    ("test", "host"),
    [
        ("play.yaml::conntrack-max[web-1]", "web-1"),
        ("tests/test_a.py::test_b[fleet://web-1]", "web-1"),
        ("tests/test_a.py::test_b[fleet://web-1-b]", "web-1-b"),
        ("tests/test_a.py::test_b[fleet://web-1-other]", "web-1"),
        ("tests/test_a.py::test_b[one-fleet://web-1-b]", "web-1-b"),
        ("tests/test_a.py::test_b[fleet://db:2]", "db:2"),
        ("tests/test_a.py::test_b", ""),
        ("tests/test_a.py::test_b[x]", ""),
        ("tests/test_a.py::test_b[fleet://other]", ""),
    ],
)
def test_the_host_of_a_test_is_in_its_id(test: str, host: str) -> None:
    assert host_of(test, NAMES) == host


@given(st.text())
def test_any_id_is_for_a_known_host_or_for_none(text: str) -> None:
    assert host_of(text, NAMES) in {"", *NAMES}
