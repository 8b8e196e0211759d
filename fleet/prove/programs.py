"""The programs of ``fleet.prove.inside`` as texts, for places that have no ``fleet``."""

from collections.abc import Mapping
from importlib.resources import files


def program_texts() -> Mapping[str, str]:
    """The text of each file, by its name."""
    entries = files("fleet.prove.inside").iterdir()
    return {
        entry.name: entry.read_text(encoding="ascii")
        for entry in sorted(entries, key=lambda entry: entry.name)
        if entry.name.endswith(".py")
    }
