"""Links between the pages of the documentation."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token


def broken_links(root: Path, pages: Iterable[Path]) -> Iterator[str]:
    """Name each link to a file or heading that does not exist; pages elsewhere are not looked up."""
    for page in pages:
        for line, link in _links(page):
            if re.match(r"[a-z]+:", link):
                continue
            path, _, heading = unquote(link).partition("#")
            aim = (page.parent / path).resolve() if path else page
            where = f"{page.relative_to(root)}:{line}"
            if not aim.exists():
                yield f"{where}: no such file: {link}"
            elif heading and heading not in _headings(aim):
                yield f"{where}: no such heading: {link}"


def _links(page: Path) -> Iterator[tuple[int, str]]:
    for block in _tokens(page):
        line = block.map[0] + 1 if block.map else 1
        for token in block.children or ():
            link = token.attrGet("href") or token.attrGet("src")
            if link is not None:
                yield line, str(link)


@cache
def _headings(page: Path) -> frozenset[str]:
    """The anchors that GitHub and GitLab give to headings."""
    tokens = _tokens(page)
    titles = [after.content for token, after in pairwise(tokens) if token.type == "heading_open"]
    return frozenset(re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles)


@cache
def _tokens(page: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))
