"""What a plain scalar means: the core schema of YAML 1.2, without the forms that surprise."""

import math
import re

_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}
# Longer runs of digits are identifiers, not quantities; Python also refuses to convert very long ones.
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,39})")
_FLOAT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,39})\.[0-9]{1,40}(?:[eE][-+]?[0-9]{1,4})?")

Scalar = str | int | float | bool | None


def resolve_scalar(text: str) -> Scalar:
    """Give the value of a plain (unquoted) scalar.

    ``true``, ``false``, ``null``, ``~``, decimal integers without leading zeros and floats with a point are what they
    look like. Everything else stays the text as written: ``yes``, ``on``, ``0644``, ``0x1F``, ``10:30``, ``12e03``,
    ``2027-03-01``. Based on https://yaml.org/spec/1.2.2/#103-core-schema.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text
