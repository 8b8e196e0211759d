"""Keys with wildcards, as glob(3) reads them."""

import re

from fleet.kernel.boot.name import simplified

WILDCARDS = re.compile(rb"[*?\[]")
"""What makes a key a pattern, in systemd and in procps."""

UNMODELLED = "it has wildcards that this tool does not read"

# Escapes, braces (a GNU addition that only systemd asks for) and character classes: never seen, and not modelled.
_UNMODELLED = re.compile(rb"[\\{]|\[[.:=]")
_LITERAL = re.compile(rb"[^*?\[\\{]*")
_BRACKET = re.compile(rb"\[([!^]?)(\]?[^\]/]*)\]")


def compile_pattern(pattern: bytes) -> re.Pattern[bytes] | None:
    """The pattern as a regular expression for whole paths, or None where it uses what is not modelled here."""
    if _UNMODELLED.search(pattern) or any(part in {b"", b".", b".."} for part in pattern.split(b"/")):
        return None
    pieces: list[bytes] = []
    position = 0
    while position < len(pattern):
        char = pattern[position : position + 1]
        bracket = _BRACKET.match(pattern, position)
        if bracket:
            negated, members = bracket.groups()
            pieces.append(rb"[%s%s]" % (b"^/" if negated else b"", re.sub(rb"([\]\[\\^&~|])", rb"\\\1", members)))
            position = bracket.end()
            continue
        pieces.append({b"*": rb"[^/]*", b"?": rb"[^/]"}.get(char, re.escape(char)))
        position += 1
    try:
        return re.compile(b"".join(pieces), re.DOTALL)
    except re.error:  # a range that ends before it begins
        return None


def literal_start(pattern: bytes) -> bytes:
    """What every path that a pattern may match begins with, whatever the rest of it means."""
    start = _LITERAL.match(pattern)
    literal = start.group() if start else b""
    # Components of dots, and none at all, lead elsewhere than they say.
    return literal if simplified(literal) == literal.rstrip(b"/") and b".." not in literal.split(b"/") else b""
