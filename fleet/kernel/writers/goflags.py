"""Values as the Go programs of Kubernetes read them from flags and files."""

import re

_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_LONGEST = 2**63 - 1
_INT32 = 2**31
_INTEGER = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,10}|0[xX][0-9a-fA-F]{1,8})")
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})


def parse_duration(text: str) -> int:
    """Nanoseconds of a duration such as ``24h0m0s`` or ``1.5h``: https://pkg.go.dev/time#ParseDuration.

    Raises:
        ValueError: Go would refuse the text.
    """
    sign = -1 if text.startswith("-") else 1
    body = text[1:] if text[:1] in {"+", "-"} else text
    if body == "0":
        return 0
    total, position = 0, 0
    for part in _PART.finditer(body):
        if part.start() != position:
            break
        whole, _, fraction = part[1].partition(".")
        unit = _UNITS[part[2]]
        total += int(whole or 0) * unit + (int(fraction) * unit // 10 ** len(fraction) if fraction else 0)
        position = part.end()
    if not body or position != len(body) or total > _LONGEST:
        raise ValueError(f"{text!r} is not a duration such as 24h0m0s")
    return sign * total


def parse_int32(text: str) -> int:
    """A flag of the type int32, decimal or hexadecimal: https://pkg.go.dev/strconv#ParseInt with base 0.

    Raises:
        ValueError: Go would refuse the text.
    """
    if not _INTEGER.fullmatch(text) or not -_INT32 <= (number := int(text, 0)) < _INT32:
        raise ValueError(f"{text!r} is not a whole number of 32 bits")
    return number


def parse_bool(text: str) -> bool:
    """A boolean flag; one that is given without a value is true.

    Raises:
        ValueError: Go would refuse the text.
    """
    if text in _TRUE or not text:
        return True
    if text in _FALSE:
        return False
    raise ValueError(f"{text!r} is neither true nor false")
