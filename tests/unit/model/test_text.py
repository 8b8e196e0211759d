import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.model.text import printable

anything = st.text(st.characters(), max_size=200) | st.binary(max_size=400)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("net.ipv4.tcp_fin_timeout = 60", "net.ipv4.tcp_fin_timeout = 60"),
        ("Zürich 東京", "Zürich 東京"),
        ("\x1b[2J\x07", r"\x1b[2J\x07"),
        ("a\tb\nc\r", r"a\tb\nc\r"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("zero\u200bwidth\U000e0041", r"zero\u200bwidth\U000e0041"),
        ("\ud800", r"\ud800"),
        (b"caf\xc3\xa9 \xff\xfe", "café \\xff\\xfe"),
    ],
)
def test_what_could_steer_a_terminal_becomes_its_escape(text: str | bytes, shown: str) -> None:
    assert printable(text) == shown


def test_text_over_the_limit_ends_with_an_ellipsis() -> None:
    assert printable("x" * 81) == "x" * 79 + "…"
    assert printable("x" * 80) == "x" * 80
    assert printable(b"\xf0\x9f\x98\x80" * 9, limit=3) == "😀😀…"
    assert printable("\x00" * 9, limit=6) == "\\x00\\…"


@given(anything, st.integers(1, 100))
def test_the_result_is_visible_and_within_the_limit(text: str | bytes, limit: int) -> None:
    shown = printable(text, limit)
    assert shown.isprintable()
    assert len(shown) <= limit


@given(anything)
def test_a_second_pass_changes_nothing(text: str | bytes) -> None:
    shown = printable(text, 4000)
    assert printable(shown, 4000) == shown
