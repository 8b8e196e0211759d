"""Text that came from elsewhere, made safe to show."""


def printable(text: str | bytes, limit: int = 80) -> str:
    r"""Show text of a node, an inventory or a third party without letting it steer the terminal.

    Everything that is not a visible character or a blank (control characters, terminal escapes, bidirectional
    overrides, invisible and unassigned characters, bytes that are not UTF-8) becomes its backslash escape, such as
    ``\x1b``. Safe text comes back unchanged, so a second pass changes nothing.

    Args:
        text: what to show.
        limit: most characters of the result; a longer one ends with ``…``.
    """
    if isinstance(text, bytes):
        # Four bytes are the longest character: enough to fill the limit whatever the text, however long the input.
        text = text[: 4 * (limit + 1)].decode(errors="backslashreplace")
    if not text.isprintable():
        start = text[: limit + 1]
        text = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in start)
    return text if len(text) <= limit else text[: limit - 1] + "…"
