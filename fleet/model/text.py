"""Text from a node, made safe to show."""


def printable(text: str | bytes, limit: int = 80) -> str:
    r"""One line that cannot steer a terminal, whatever the node sent.

    Control characters, terminal escapes, line breaks, bidirectional marks and invalid UTF-8 are shown as ``\x1b``-like
    escapes; what is longer than ``limit`` characters ends in an ellipsis.
    """
    if isinstance(text, bytes):
        text = text[: 4 * limit + 4].decode(errors="backslashreplace")
    shown = text[: limit + 1]
    if not shown.isprintable():
        shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)
    return shown if len(shown) <= limit else shown[: max(limit - 1, 0)] + "…"
