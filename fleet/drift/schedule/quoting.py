"""Text as systemd's unit files need it.

Rules: https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html#Command%20lines and
https://www.freedesktop.org/software/systemd/man/latest/systemd.syntax.html
"""

from collections.abc import Iterable
from pathlib import Path

from fleet.model.errors import UsageError
from fleet.model.text import printable


def command_line(words: Iterable[str]) -> str:
    """The value of ``ExecStart=``.

    Raises:
        UsageError: a word cannot stand in a unit file.
    """
    program, *arguments = (_quoted(word) for word in words)
    # Variables are looked for in arguments only.
    return " ".join((program, *(each.replace("$", "$$") for each in arguments)))


def path_list(paths: Iterable[Path]) -> str:
    """The value of a setting that takes several paths, such as ``ReadWritePaths=``."""
    return " ".join(_quoted(str(path)) for path in paths)


def single_path(path: Path) -> str:
    """The value of a setting that takes one path as it is, such as ``WorkingDirectory=``.

    Raises:
        UsageError: it begins or ends with what systemd would cut off there.
    """
    text = _checked(str(path))
    if text != text.strip() or text.endswith("\\"):
        raise UsageError(f"systemd cannot use '{printable(text, 500)}': its name ends with a blank or a backslash")
    return text.replace("%", "%%")


def _quoted(word: str) -> str:
    for char in ("\\", '"'):
        word = word.replace(char, f"\\{char}")
    return f'"{_checked(word)}"'.replace("%", "%%")


def _checked(text: str) -> str:
    if not text.isprintable():
        raise UsageError(f"'{printable(text, 500)}' has a character that cannot stand in a unit file or a crontab")
    return text
