"""Kernel releases that can be compared."""

import re
from typing import NamedTuple

_RELEASE = re.compile(r"(\d{1,5})\.(\d{1,5})(?:\.(\d{1,5}))?(?!\d)")


class KernelVersion(NamedTuple):
    """The numbers at the start of a release; compares with plain tuples: ``version >= (5, 9)``."""

    major: int
    minor: int
    patch: int = 0

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


def parse_release(release: str) -> KernelVersion:
    """Read what ``uname -r`` prints, such as ``6.1.0-18-amd64``, ``5.14.0-427.el9`` or ``6.6.12+rpt``.

    Distributions keep the upstream numbers and add their own after them, so what follows is left out. A
    distribution also backports: a newer behaviour on an older number is possible, the reverse is not.

    Raises:
        ValueError: the text does not start with ``MAJOR.MINOR``.
    """
    match = _RELEASE.match(release)
    if match is None:
        raise ValueError(f"{release!r} is not a kernel release such as 6.1.0-18-amd64")
    major, minor, patch = match.groups(default="0")
    return KernelVersion(int(major), int(minor), int(patch))
