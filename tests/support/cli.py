"""The ``fleet`` program as an operator runs it."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

FLEET = str(Path(sys.executable).with_name("fleet"))


def fleet(
    *arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None, within: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run it to its end, without a terminal, for so many seconds at most."""
    return subprocess.run(
        [FLEET, *map(str, arguments)],
        capture_output=True,
        check=False,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=within,
    )
