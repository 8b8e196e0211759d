import pytest

from fleet.kernel.version import parse_release


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("6.1.0-18-amd64", (6, 1, 0)),
        ("5.14.0-427.el9.x86_64", (5, 14, 0)),
        ("6.6.12+rpt-rpi-v8", (6, 6, 12)),
        ("4.18.0-553.8.1.el8_10.x86_64", (4, 18, 0)),
        ("6.18.44-fc-v657", (6, 18, 44)),
        ("6.12-rc3", (6, 12, 0)),
        ("6.12", (6, 12, 0)),
        ("5.15.167.4-microsoft-standard-WSL2", (5, 15, 167)),
    ],
)
def test_numbers_are_taken_from_the_start_of_a_release(release: str, expected: tuple[int, int, int]) -> None:
    assert parse_release(release) == expected


def test_releases_compare_as_numbers_and_not_as_text() -> None:
    assert parse_release("5.10.46") > parse_release("5.9.1")
    assert parse_release("5.9.0-1") >= (5, 9)


@pytest.mark.parametrize("release", ["", "linux", "6", "6.", "v6.1.0", "999999.1.0"])
def test_text_that_is_no_release_is_refused(release: str) -> None:
    with pytest.raises(ValueError, match="is not a kernel release"):
        parse_release(release)
