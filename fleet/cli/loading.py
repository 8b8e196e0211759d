"""What the program does without while it loads: half of a short command's time is the loading of libraries."""

import gc
import sys
from typing import Final

_OBJECTS_BETWEEN_COLLECTIONS = 50_000

_UNUSED: Final = "invoke"
"""An optional dependency of paramiko, for ``Match exec`` in ~/.ssh/config, which fleet refuses by itself."""


def begin() -> None:
    """Look for no garbage, which the loading of modules does not leave, and let paramiko do without what is unused."""
    gc.disable()
    sys.modules.setdefault(_UNUSED, None)  # type: ignore[arg-type] # None says that it is not there


def is_done() -> None:
    """Look for garbage again, but not in what was loaded, and seldom: what a run builds up stays until its end."""
    if sys.modules.get(_UNUSED, sys) is None:
        del sys.modules[_UNUSED]
    if not gc.isenabled():
        gc.freeze()
        gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
        gc.enable()
