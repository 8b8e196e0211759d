"""Names of runs, which sort in time."""

from datetime import UTC, datetime
from secrets import token_hex


def new_run_id() -> str:
    """A name that no other run has, such as ``20261120T120000Z-5f2a01``."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{token_hex(3)}"
