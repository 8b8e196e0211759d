"""Checks of what goes into a template.

Each kind of value has one pattern, as narrow as the syntax of the files that it goes into asks for.
"""

import re

from fleet.model.errors import UsageError
from fleet.model.text import printable

_CONTROL = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
# Dots separate and slashes stand for dots inside an interface's name; without wildcards, prefixes and empty components.
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_:@+-]*"
_KEY = re.compile(rf"[a-z0-9_]+(?:\.{_NAME}(?:/[A-Za-z0-9_:@+-]+)*)+")
# Readers of sysctl.d differ about # and about \ at the end of a line, and busybox about = at the start.
_VALUE = re.compile(r"(?!=)[ -\"$-\[\]-~]+")
_MODULE = re.compile(r"[a-z0-9][a-z0-9_-]*")
_PATH = re.compile(r"(?:/(?!\.\.?(?:/|\Z))[A-Za-z0-9._@~:+-]+)+")
# What systemd takes as it stands: no quotes, backslashes, specifiers (%), variables ($) or separators (;).
_UNIT_WORDS = re.compile(r"[A-Za-z0-9_.,:/+-]+(?: [A-Za-z0-9_.,:/+-]+)*")
_FLAG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_FLAG_VALUE = re.compile(r"[A-Za-z0-9.:/_-]+")
_BLANKS = re.compile(r"[ \t]+")
_MOST_WORDS = 4000
_LONGEST = 4000  # the kernel takes a value in one write of at most a page


class RenderError(UsageError):
    """A value does not fit into the file that it is for; the message names the variable."""


def words(text: str) -> str:
    """Free text as one line, which leaves no comment: blanks folded, what cannot be seen escaped."""
    return printable(" ".join(text.split()), _MOST_WORDS)


def control_id(variable: str, text: str) -> str:
    """An id such as ``conntrack-max``."""
    return _matching(variable, text, _CONTROL, "an id such as conntrack-max")


def sysctl_key(variable: str, text: str) -> str:
    """A key in dots that names one file below /proc/sys: no wildcard, no prefix, no way up."""
    return _matching(variable, text, _KEY, "one sysctl key in dots, such as net.ipv4.tcp_fin_timeout")


def sysctl_value(variable: str, text: str) -> str:
    """A value that every reader of sysctl.d takes as it stands, blanks and tabs folded."""
    folded = _BLANKS.sub(" ", text).strip(" ")
    return _matching(variable, folded, _VALUE, "one line of plain characters without # and backslashes")


def unit_words(variable: str, text: str) -> str:
    """Words that systemd takes as they stand between quotes in a unit."""
    return _matching(
        variable, text, _UNIT_WORDS, "words of letters, digits and any of _ . , : / + - for a systemd unit"
    )


def module_name(variable: str, text: str) -> str:
    """A kernel module such as ``nf_conntrack``."""
    return _matching(variable, text, _MODULE, "the name of a kernel module")


def node_path(variable: str, text: str, *, suffix: str = ".conf") -> str:
    """An absolute path of plain components, none of them ``.`` or ``..``, that ends as its readers ask for."""
    path = _matching(variable, text, _PATH, "an absolute path without .. and blanks")
    if not path.endswith(suffix):
        raise _refusal(variable, text, f"a path that ends in {suffix}, which its reader asks for")
    return path


def flag_name(variable: str, text: str) -> str:
    """An option without its dashes, such as ``conntrack-min``."""
    return _matching(variable, text, _FLAG, "an option without dashes in front, such as conntrack-min")


def flag_value(variable: str, text: str) -> str:
    """The value of an option, such as ``86400s``."""
    return _matching(variable, text, _FLAG_VALUE, "letters, digits and any of . : / _ -")


def whole_number(variable: str, number: object, *, at_least: int, at_most: int) -> int:
    """A number within bounds, both included."""
    if not isinstance(number, int) or isinstance(number, bool) or not at_least <= number <= at_most:
        raise _refusal(variable, str(number), f"a whole number from {at_least} to {at_most}")
    return number


def _matching(variable: str, text: str, pattern: re.Pattern[str], what: str) -> str:
    if pattern.fullmatch(text) is None or len(text) > _LONGEST:
        raise _refusal(variable, text, what)
    return text


def _refusal(variable: str, text: str, what: str) -> RenderError:
    return RenderError(f"{variable}: {printable(repr(text))} is not {what}")
