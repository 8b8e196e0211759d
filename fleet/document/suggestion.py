"""The nearest valid name for one that was mistyped."""

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, valid: Iterable[str]) -> str:
    """Give ``did you mean 'X'?`` for the valid name nearest to a word, or "" where none is near."""
    near = difflib.get_close_matches(word, list(valid), n=1)
    return f"did you mean '{near[0]}'?" if near else ""
