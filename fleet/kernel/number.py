"""Integers as the kernel reads them from /proc/sys."""

import re

NUMBER = r"0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*"
"""Pattern of an unsigned number as ``proc_get_long`` reads it: hexadecimal after 0x, octal after 0, else decimal."""

_SIGNED = re.compile(rf"-?(?:{NUMBER})")
_LONGEST = 20  # digits and sign; the kernel refuses a longer token, even of leading zeros


def parse_number(token: str) -> int:
    """The value of one token such as ``60``, ``0x3c`` or ``074``.

    Raises:
        ValueError: the kernel would not read it as a number.
    """
    if _SIGNED.fullmatch(token) is None or len(token) > _LONGEST:
        raise ValueError(f"{token!r} is not a whole number")
    sign, digits = (-1, token[1:]) if token.startswith("-") else (1, token)
    if digits[:2].lower() == "0x":
        return sign * int(digits, 16)
    return sign * int(digits, 8 if digits.startswith("0") else 10)
