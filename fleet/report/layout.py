"""Lines of text for people: columns that line up, and long ends that wrap under themselves."""

from collections.abc import Iterable, Sequence
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from fleet.model.text import printable

GAP: Final = 2
NARROWEST_WRAP: Final = 24
LONGEST_VALUE: Final = 2_000

# Text.wrap wants a console only to look up tab sizes and cell widths; nothing is printed to it.
_RULER: Final = Console(width=80, color_system=None)


def shown(text: str, style: str = "") -> Text:
    """Foreign text, safe and without markup; a value longer than any sensible one is cut."""
    return Text(printable(text, LONGEST_VALUE), style=style)


def columns(
    rows: Sequence[Sequence[Text]], *, width: int | None, indent: int = 0, one_line: bool = False
) -> list[Text]:
    """Lay out rows whose cells line up; what is too long for the last column wraps under it.

    Args:
        rows: all with the same number of cells.
        width: cells of the terminal; None never wraps, for pipes and files, where a row must stay one line.
        indent: blanks before each row.
        one_line: end a row that is too long for the terminal with ``…`` rather than wrap it.
    """
    if not rows:
        return []
    widths = [max(cell_len(cell.plain) for cell in cells) for cells in list(zip(*rows, strict=True))[:-1]]
    lines: list[Text] = []
    for *cells, last in rows:
        head = Text(" " * indent)
        for cell, cells_wide in zip(cells, widths, strict=True):
            head.append_text(cell).append(" " * (cells_wide - cell_len(cell.plain) + GAP))
        lines.extend(hanging(head, last, width=None if one_line else width))
    if one_line and width is not None:
        for line in lines:
            line.truncate(width, overflow="ellipsis")
    return lines


def hanging(head: Text, text: Text, *, width: int | None) -> list[Text]:
    """Put text after a head; where it wraps, it goes on under its own beginning."""
    if width is None or cell_len(head.plain) + cell_len(text.plain) <= width:
        line = head.copy().append_text(text)
        line.rstrip()
        return [line]
    offset = cell_len(head.plain)
    lines: list[Text] = []
    if width - offset < NARROWEST_WRAP:
        # Too little room beside the head: go on below it, a little to the right of where it begins.
        start = head.copy()
        start.rstrip()
        lines.append(start)
        offset = min(len(head.plain) - len(head.plain.lstrip()) + 2 * GAP, max(width - NARROWEST_WRAP, 0))
        head = Text(" " * offset)
    blank = Text(" " * offset)
    wrapped = text.wrap(_RULER, max(width - offset, 1), overflow="fold")
    for part in wrapped:
        part.rstrip()
        lines.append((head if part is wrapped[0] else blank).copy().append_text(part))
    return lines


def listed(title: str, rows: Iterable[tuple[str, str]], *, width: int | None) -> list[Text]:
    """A titled list of hosts and what is said of them; nothing where there are no rows.

    Args:
        title: of the list.
        rows: hosts in words, or empty, and the text about them.
        width: as in `columns`.
    """
    lines = [
        line
        for hosts, text in rows
        for line in hanging(Text("  "), shown(f"{hosts}: {text}" if hosts else text), width=width)
    ]
    return [Text(title, style="bold"), *lines] if lines else []


def joined(lines: Iterable[Text]) -> Text:
    """One text of many lines."""
    return Text("\n").join(lines)
