"""Comparison with files that were reviewed once."""

import os
from pathlib import Path

DATA = Path(__file__).parent.parent / "data"


def assert_golden(name: str, actual: str) -> None:
    """Compare with tests/data/NAME; FLEET_UPDATE_GOLDEN=1 writes the file anew, for review with git diff."""
    path = DATA / name
    if os.environ.get("FLEET_UPDATE_GOLDEN"):
        path.write_text(actual, encoding="utf-8")
    assert actual == path.read_text(encoding="utf-8"), f"differs from {path}: see FLEET_UPDATE_GOLDEN in this helper"
