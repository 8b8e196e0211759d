"""What to send to a node: the script, and its arguments."""

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

from fleet.model.text import printable

# One argument of the exec request, which the login shell gets as one string: the kernel's limit is 128 KiB.
MOST_ARGUMENT_BYTES = 100_000

# Plain in every login shell (sh, csh, fish, zsh): no quote, glob, variable, tilde or equals sign.
_PATH = r"[A-Za-z0-9_][A-Za-z0-9_.:@+,-]*(?:/[A-Za-z0-9_.:@+,-]+)+"
_KEY = re.compile(_PATH)
_FILE = re.compile(r"(?:/[A-Za-z0-9_.:@+,-]+)+")
_NONCE = re.compile(r"[0-9a-f]{16,64}")
_SWAP = str.maketrans("./", "/.")

# frame.sh clears what the shell brings along; the last line of probe.sh starts it all.
_PARTS = ("frame", "host", "processes", "named_files", "values", "paths", "files", "sockets", "tools", "probe")


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """What to read beyond what the probe always reads.

    Attributes:
        keys: sysctl keys, written with dots or with slashes as in sysctl.d.
        files: absolute paths of regular files.
    """

    keys: tuple[str, ...]
    files: tuple[str, ...] = ()


@cache
def probe_script() -> bytes:
    """The POSIX shell script that a node gets on the standard input of ``sh -s``, without its comment lines."""
    return re.sub(rb"(?m)^ *#.*\n", b"", b"".join(map(probe_part, _PARTS)))


def probe_part(name: str) -> bytes:
    """One file of the script, for another script that looks at a node the same way."""
    return files("fleet.facts").joinpath("probe", f"{name}.sh").read_bytes()


def key_path(key: str) -> str:
    """The path of a key below /proc/sys.

    As in sysctl.d, the first separator decides: after a slash the rest stands as it is; after a dot, dots and slashes
    change places, so that ``net.ipv4.conf.eth0/100.rp_filter`` names the interface ``eth0.100``.
    https://www.freedesktop.org/software/systemd/man/latest/sysctl.d.html
    """
    separator = re.search(r"[./]", key)
    return key.translate(_SWAP) if separator and separator[0] == "." else key


@lru_cache(maxsize=4096)
def key_in_dots(key: str) -> str:
    """A key as ``NodeFacts.sysctls`` names it: dots between the parts, a slash for a dot in an interface name."""
    return key_path(key).translate(_SWAP)


def probe_arguments(nonce: str, request: ProbeRequest) -> tuple[str, ...]:
    """The arguments after ``sh -s --``, none of which needs quotes in any login shell.

    Args:
        nonce: 16 to 64 hexadecimal digits in lower case, unguessable, new for each call.
        request: what to read.

    Raises:
        ValueError: the nonce, a key or a path has another form, or there are too many of them for one command.
    """
    if not _NONCE.fullmatch(nonce):
        raise ValueError("the nonce has to be 16 to 64 hexadecimal digits")
    arguments = (nonce, *_paths(request))
    if sum(map(len, arguments)) + len(arguments) > MOST_ARGUMENT_BYTES:
        raise ValueError(f"more keys and files than fit into one command of {MOST_ARGUMENT_BYTES} bytes")
    return arguments


@lru_cache(maxsize=8)
def _paths(request: ProbeRequest) -> tuple[str, ...]:
    paths = dict.fromkeys(key_path(key) for key in request.keys)
    for path in paths:
        if not _KEY.fullmatch(path) or _leaves(path):
            raise ValueError(f"not the name of a sysctl key: '{printable(path)}'")
    for path in request.files:
        if not _FILE.fullmatch(path) or _leaves(path):
            raise ValueError(f"not an absolute path of plain characters: '{printable(path)}'")
    return (*paths, *dict.fromkeys(request.files))


def _leaves(path: str) -> bool:
    return not {".", ".."}.isdisjoint(path.split("/"))
