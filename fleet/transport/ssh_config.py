"""~/.ssh/config, read once a run.

paramiko finds the options of a host; what it does not do is done or refused here, never passed over: ``Include``
(https://github.com/paramiko/paramiko/issues/1609), and the criteria of ``Match`` that it takes as always true.
"""

import glob
import os
import re
import shlex
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

import paramiko

from fleet.model.connection import NO_SSH_CONFIG
from fleet.model.errors import DocumentError
from fleet.transport.account import expand_home

DEFAULT_PATH = "~/.ssh/config"
_KEYWORD = re.compile(r"(\w+)(?:\s*=\s*|\s+)(.+)")
_MATCH_CRITERIA = {"all", "canonical", "final", "host", "originalhost", "user", "localuser"}
_DEEPEST_INCLUDE = 16
_REFUSED = {
    "knownhostscommand": "put the host keys into a known_hosts file",
    "revokedhostkeys": "mark the keys as @revoked in a known_hosts file",
}
_BUILT_IN_OFF = {"", "none", "no"}


class SshConfig:
    """The options of ~/.ssh/config by host.

    Args:
        path: the file; None reads ~/.ssh/config where there is one; ``none`` reads nothing, as for ``ssh -F none``.

    Raises:
        DocumentError: the file does not load, or asks for what cannot be done.
    """

    def __init__(self, path: str | None) -> None:
        self.path = path or DEFAULT_PATH
        file = Path(expand_home(self.path))
        self._config = paramiko.SSHConfig()
        # Other tokens are left to `expand`, which knows the port and user of the inventory and refuses unknown ones.
        self._config.TOKENS_BY_CONFIG_KEY = {"hostname": ["%h"]}
        if path == NO_SSH_CONFIG or (path is None and not file.exists()):
            return
        if path is None:
            _refuse_writable_by_others(file, self.path)
        try:
            self._config.parse(_lines(file, self.path, inside=False, depth=0))
        except paramiko.ConfigParseError as error:
            raise DocumentError(str(error), path=self.path) from error

    def options(self, host: str) -> Mapping[str, str | list[str]]:
        """Look up a host, as named on the command line of ssh.

        Raises:
            DocumentError: an option that applies to this host cannot be honoured.
        """
        try:
            found: Mapping[str, str | list[str]] = self._config.lookup(host)
        except KeyError as error:
            raise DocumentError(f"CanonicalizeHostname needs {error.args[0]}", path=self.path) from error
        except (paramiko.SSHException, ValueError) as error:
            raise DocumentError(f"cannot be applied to {host}: {error}", path=self.path) from error
        for option, cure in _REFUSED.items():
            value = found.get(option)
            if isinstance(value, str) and value.lower() not in _BUILT_IN_OFF:
                raise DocumentError(
                    f"option {option} is not supported, and it applies to {host}", path=self.path, hint=cure
                )
        return found


def _refuse_writable_by_others(file: Path, shown: str) -> None:
    """Refuse as ssh does: whoever can write the file can run a ProxyCommand as us."""
    status = file.stat()
    if status.st_uid not in {0, os.getuid()} or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise DocumentError(
            "others can write this file or own it", path=shown, hint=f"run: chmod go-w {shown}, and see who owns it"
        )


def _lines(file: Path, shown: str, *, inside: bool, depth: int) -> Iterator[str]:
    """Give the lines of a file with those of included files in their place.

    Args:
        file: what to read.
        shown: its path as people know it.
        inside: the lines stand in a Host or Match block of the including file that does not hold for every host.
        depth: of inclusion.
    """
    try:
        text = file.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise DocumentError(f"cannot be read: {error.strerror}", path=shown) from error
    block = inside
    for number, line in enumerate(text.splitlines(), start=1):
        found = _KEYWORD.match(line.strip())
        keyword = found[1].lower() if found else ""
        value = found[2] if found else ""
        if keyword in {"host", "match"}:
            _check_block(keyword, value, shown, number, inside=inside)
            block = value.strip() not in {"*", "all"}
        if keyword == "include":
            yield from _included(value, shown, number, inside=block, depth=depth + 1)
        else:
            yield line


def _included(value: str, shown: str, number: int, *, inside: bool, depth: int) -> Iterator[str]:
    if depth > _DEEPEST_INCLUDE:
        raise DocumentError("files include each other too deeply", path=shown, line=number)
    for pattern in _split(value, shown, number):
        for path in sorted(glob.glob(_include_path(pattern))):  # noqa: PTH207 the pattern may be absolute
            yield from _lines(Path(path), path, inside=inside, depth=depth)
            if not inside:
                # The last block of the included file ends with it.
                yield "Host *"


def _check_block(keyword: str, value: str, shown: str, number: int, *, inside: bool) -> None:
    if inside:
        raise DocumentError(
            "a file included inside a Host or Match block has blocks of its own, which is not supported",
            path=shown,
            line=number,
            hint="put the Include line above the first Host line",
        )
    if keyword == "match":
        _check_match(value, shown, number)


def _check_match(value: str, shown: str, number: int) -> None:
    words = _split(value, shown, number)
    while words:
        criterion = words.pop(0).lstrip("!")
        if criterion not in _MATCH_CRITERIA:
            raise DocumentError(
                f"Match {criterion} is not supported",
                path=shown,
                line=number,
                hint=f"known are {', '.join(sorted(_MATCH_CRITERIA))}; or name another file with ssh_config",
            )
        if criterion not in {"all", "canonical", "final"} and words:
            words.pop(0)


def _split(value: str, shown: str, number: int) -> list[str]:
    try:
        return shlex.split(value)
    except ValueError as error:
        raise DocumentError(f"quotes do not match: {error}", path=shown, line=number) from error


def _include_path(pattern: str) -> str:
    return str(Path(expand_home("~/.ssh"), expand_home(pattern)))


def expand(value: str, tokens: Mapping[str, str], *, option: str, path: str) -> str:
    """Replace ``%h`` and the like.

    Raises:
        DocumentError: a token that is not in ``tokens``, which would else reach a shell or a file name as it stands.
    """

    def replace(found: re.Match[str]) -> str:
        token = found[1]
        if token == "%":  # noqa: S105 a token of ssh_config
            return "%"
        if token not in tokens:
            raise DocumentError(f"{option}: %{token} is not supported here", path=path)
        return tokens[token]

    return re.sub(r"%(.?)", replace, value)


def expand_path(value: str, tokens: Mapping[str, str], *, option: str, path: str) -> str:
    """Replace tokens, ``${VARIABLES}`` and a leading ``~`` in the name of a file.

    Raises:
        DocumentError: an unknown token, or a variable that is not set.
    """

    def variable(found: re.Match[str]) -> str:
        content = os.environ.get(found[1])
        if content is None:
            raise DocumentError(f"{option}: ${{{found[1]}}} is not set", path=path)
        return content

    return expand_home(re.sub(r"\$\{(\w+)\}", variable, expand(value, tokens, option=option, path=path)))
