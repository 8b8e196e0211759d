"""Where a history is."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from fleet.model.errors import UsageError
from fleet.model.secret import Secret

NONE = "none"
_FILE = "history.db"
_SQLITE = "sqlite:///"
_FORMS = "postgresql://USER@HOST/DATABASE, sqlite:///FILE, or none"


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryLocation:
    """A database.

    Attributes:
        url: as SQLAlchemy takes it; it may hold a password.
        shown: the same for people, without a password.
        file: of SQLite; None for a server.
        passwords: what no message may have in it.
    """

    url: Secret
    shown: str
    file: Path | None
    passwords: tuple[Secret, ...] = ()

    def without_passwords(self, text: str) -> str:
        """A message of the database as it may be shown."""
        for password in self.passwords:
            text = text.replace(password.reveal(), "***")
        return text


def history_location(given: str | None, state_dir: Path) -> HistoryLocation | None:
    """Read what the operator says of the history.

    Args:
        given: a URL; ``none`` for no history; None or empty for a file in the state directory.
        state_dir: where fleet keeps what it knows.

    Raises:
        UsageError: it is no URL that fleet can use.
    """
    if not given:
        return _sqlite(state_dir / _FILE)
    if given == NONE:
        return None
    if given.startswith(_SQLITE):
        if not (name := given.removeprefix(_SQLITE)) or "?" in name:
            raise UsageError(f"the history's URL names no file: use {_SQLITE}FILE")
        return _sqlite(Path(name))
    # What is wrong is never quoted: it may be the password.
    try:
        parts = urlsplit(given)
        parts.port  # noqa: B018 it raises
    except ValueError:
        raise UsageError(f"the history's URL does not load: use {_FORMS}") from None
    if parts.scheme not in {"postgresql", "postgres", "postgresql+psycopg"} or not parts.path.strip("/"):
        raise UsageError(f"the history's URL is not one that fleet can use: {_FORMS}")
    if "password" in parts.query:
        raise UsageError("the history's URL has a password among its options: write it before the @, or into ~/.pgpass")
    return _server(parts)


def _sqlite(file: Path) -> HistoryLocation:
    return HistoryLocation(url=Secret(f"{_SQLITE}{file}"), shown=str(file), file=file)


def _server(parts: SplitResult) -> HistoryLocation:
    whole = parts._replace(scheme="postgresql+psycopg").geturl()
    _, _, place = parts.netloc.rpartition("@")
    user = f"{parts.username}@" if parts.username else ""
    passwords = {parts.password or "", unquote(parts.password or "")} - {""}
    return HistoryLocation(
        url=Secret(whole),
        shown=f"postgresql://{user}{place}{parts.path}",
        file=None,
        passwords=tuple(Secret(each) for each in sorted(passwords, key=len, reverse=True)),
    )
