"""Times as playbooks write them: a number with its unit, such as ``90s``."""

import re
from typing import Annotated

import pydantic

_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)(s|m|h)")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST = 86_400.0


def parse_duration(text: object) -> float:
    """Seconds, at most a day.

    Raises:
        ValueError: to follow the name of the key.
    """
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("must be a time with its unit, such as 30s, 5m or 1h")
    seconds = float(match[1]) * _SECONDS[match[2]]
    if seconds > _LONGEST:
        raise ValueError("must be at most 24h")
    return seconds


Duration = Annotated[
    float,
    pydantic.BeforeValidator(parse_duration),
    pydantic.WithJsonSchema({"type": "string", "pattern": f"^{_DURATION.pattern}$"}),
]


def _positive(value: float) -> float:
    if value <= 0:
        raise ValueError("must be longer than 0s")
    return value


PositiveDuration = Annotated[Duration, pydantic.AfterValidator(_positive)]
