"""The page of the documentation that carries the tables."""

from pathlib import Path
from typing import Final

PAGE: Final = Path("docs/benchmarks.md")
_BEGIN, _END = "<!-- begin: make bench -->\n", "<!-- end: make bench -->\n"


def written(page: str, text: str) -> str:
    """Put the tables into the page.

    Raises:
        ValueError: the page has no place for them.
    """
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"{PAGE} has lost the lines between which the tables stand")
    return f"{before}{begin}\n{text}\n{end}{after}"
