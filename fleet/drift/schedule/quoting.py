"""Text as systemd's unit files need it.

Rules: https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html#Command%20lines and
https://www.freedesktop.org/software/systemd/man/latest/systemd.syntax.html
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from fleet.model.errors import UsageError
from fleet.model.text import printable

_OF_A_PATTERN: Final = re.compile(r"[\\*?\[\]{}]")
_NOT_IN_A_PROGRAM: Final = frozenset("\"'\\")


def command_line(words: Iterable[str]) -> str:
    """The value of ``ExecStart=``.

    Raises:
        UsageError: a word cannot stand in a unit file.
    """
    program, *arguments = words
    if _NOT_IN_A_PROGRAM & frozenset(program):
        raise UsageError(f"systemd cannot start '{printable(program, 500)}': its path has a quote or a backslash")
    # Variables are looked for in arguments only.
    return " ".join((_quoted(program), *(_quoted(each).replace("$", "$$") for each in arguments)))


def path_list(paths: Iterable[Path]) -> str:
    """The value of a setting that takes several paths, such as ``ReadWritePaths=``.

    Raises:
        UsageError: a path cannot stand in a unit file.
    """
    return " ".join(_quoted(str(path)) for path in paths)


def single_path(path: Path) -> str:
    """The value of a setting that takes one path as it is, such as ``WorkingDirectory=``.

    Raises:
        UsageError: it begins or ends with what systemd would cut off there.
    """
    text = one_line(str(path))
    if text != text.strip() or text.endswith("\\"):
        raise UsageError(f"systemd cannot use '{printable(text, 500)}': its name ends with a blank or a backslash")
    return text.replace("%", "%%")


def one_match(path: Path) -> str:
    """The value of ``EnvironmentFile=``, which systemd takes for a pattern of file names.

    Raises:
        UsageError: as for `single_path`.
    """
    return _OF_A_PATTERN.sub(r"\\\g<0>", single_path(path))


def one_line(text: str) -> str:
    """Text that is one line of a unit file, as it is.

    Raises:
        UsageError: it is not.
    """
    if not text.isprintable():
        raise UsageError(f"'{printable(text, 500)}' has a character that cannot stand in a unit file or a crontab")
    return text


def _quoted(word: str) -> str:
    for char in ("\\", '"'):
        word = word.replace(char, f"\\{char}")
    return f'"{one_line(word)}"'.replace("%", "%%")
