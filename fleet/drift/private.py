"""Files with secrets in them."""

import stat
from pathlib import Path

from fleet.model.errors import DocumentError


def check_private(path: Path, *, hint: str = "") -> None:
    """Refuse a file with secrets that others may read.

    Args:
        path: of a file that is there.
        hint: what else than ``chmod`` would do.

    Raises:
        DocumentError: they may, or it cannot be looked at.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise DocumentError(f"cannot be read: {error.strerror}", path=str(path)) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        cure = f"chmod 600 {path}{hint}"
        raise DocumentError("others may read the secrets in it", path=str(path), hint=cure)
