"""Where a history is, as the operator says it; a password is in no message."""

from pathlib import Path

import pytest

from fleet.drift.history.location import history_location
from fleet.model.errors import UsageError

HERE = Path(".fleet")


@pytest.mark.parametrize("given", [None, ""])
def test_without_a_word_it_is_a_file_in_the_state_directory(given: str | None) -> None:
    location = history_location(given, HERE)
    assert location is not None
    assert (location.file, location.shown) == (Path(".fleet/history.db"), ".fleet/history.db")


def test_none_is_no_history() -> None:
    assert history_location("none", HERE) is None


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("postgresql://db/fleet", "postgresql://db/fleet"),
        ("postgres://ann@db:5433/fleet", "postgresql://ann@db:5433/fleet"),
        ("postgresql+psycopg://ann:pa%40ss@db/fleet", "postgresql://ann@db/fleet"),
        ("postgresql://ann:p@ss@[::1]:5432/fleet?sslmode=require", "postgresql://ann@[::1]:5432/fleet"),
    ],
)
def test_a_server_is_shown_without_its_password(given: str, shown: str) -> None:
    location = history_location(given, HERE)
    assert location is not None
    assert (location.shown, location.file) == (shown, None)
    assert location.url.reveal().startswith("postgresql+psycopg://")
    assert "p@ss" not in repr(location)
    assert "pa%40ss" not in str(location)
    assert "pa@ss" not in location.without_passwords("no pa@ss, no pa%40ss")[:10] or "pa%40ss" not in given


@pytest.mark.parametrize(
    "given",
    [
        "mysql://ann:s3cret@db/fleet",
        "postgresql://ann:s3cret@db",
        "postgresql://ann:s3cret@db:port/fleet",
        "postgresql://ann@db/fleet?password=s3cret",
        "postgresql://ann:s3cret@[::1/fleet",
        "sqlite://",
        "sqlite:///",
        "s3cret",
        "history.db",
    ],
)
def test_what_is_no_url_is_refused_without_quoting_it(given: str) -> None:
    with pytest.raises(UsageError) as refused:
        history_location(given, HERE)
    assert "s3cret" not in str(refused.value)
    assert "history's URL" in str(refused.value)
