"""Names of runs, which sort in time."""

import re
from datetime import UTC, datetime
from secrets import token_hex
from typing import Final

_RUN_ID: Final = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")


def new_run_id() -> str:
    """A name that no other run has, such as ``20261120T120000Z-5f2a01``."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{token_hex(3)}"


def is_run_id(word: str) -> bool:
    """Whether it is such a name."""
    return _RUN_ID.fullmatch(word) is not None
