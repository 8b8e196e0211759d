"""Who runs fleet, also where passwd does not know it, as in a container with a user id of its own."""

import getpass
import os


def own_name() -> str | None:
    """The login name of who runs this; None where there is none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return None


def expand_home(path: str) -> str:
    """Replace a leading ``~`` or ``~user``; as in a shell, the name of nobody stays, and leads nowhere."""
    return os.path.expanduser(path)  # noqa: PTH111 pathlib raises for the name of nobody
