"""Plain data that remembers where each of its values stands in its file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fleet.model.errors import DocumentError
from fleet.model.text import printable

Location = Sequence[str | int]
Position = tuple[int, int]


_MOST_SHOWN = 1000


def refusal(message: str, *, path: str, at: Position, hint: str = "") -> DocumentError:
    """Make the refusal of a file; what it quotes of the file cannot steer the terminal."""
    line, column = at
    message, hint = printable(message, _MOST_SHOWN), printable(hint, _MOST_SHOWN)
    return DocumentError(message, path=path, line=line, column=column, hint=hint)


@dataclass(frozen=True, slots=True)
class Entry:
    """Where one member of a mapping or list stands; for a list's member ``key`` is where the value is."""

    key: Position
    value: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One loaded file.

    Attributes:
        path: the file as the operator named it, for messages.
        data: dict, list, str, int, float, bool and None only; keys are always str.
        root: where the data begins.
        entries: positions of members by ``id`` of the dict or list they are in, which ``data`` keeps alive.
        sha256: of the file's bytes, in hexadecimal.
    """

    path: str
    data: object
    root: Position
    entries: Mapping[int, Mapping[str | int, Entry]]
    sha256: str

    def position(self, location: Location) -> Position:
        """Line and column, from 1, of the value at a location such as ``("controls", 0, "title")``.

        Where the location leads to nothing, the position is that of the last member on the way there is.
        """
        return self._entry(location).value

    def key_position(self, location: Location) -> Position:
        """Line and column, from 1, of the key that holds the value at a location."""
        return self._entry(location).key

    def error(self, message: str, location: Location = (), *, at_key: bool = False, hint: str = "") -> DocumentError:
        """Make the refusal of this file for the value, or the key, at a location."""
        at = self.key_position(location) if at_key else self.position(location)
        return refusal(message, path=self.path, at=at, hint=hint)

    def _entry(self, location: Location) -> Entry:
        entry = Entry(self.root, self.root)
        container = self.data
        for step in location:
            members = self.entries.get(id(container), {}) if isinstance(container, dict | list) else {}
            if step not in members:
                break
            entry = members[step]
            container = container[step]  # type: ignore[index]  # `entries` says that the step is there
        return entry
