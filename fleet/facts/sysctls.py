"""The keys of /proc/sys, and the modules that some of them come with."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from fleet.facts.answer import Answer, MalformedError, text
from fleet.facts.request import key_in_dots
from fleet.facts.shared import shared
from fleet.model.facts import Reason, Sysctl, Unavailable

_ROOT = b"/proc/sys/"
_MOST_VALUE_BYTES = 65_536
# Nodes have the same keys, and mostly with the same values: one object for all of them.
_MOST_KEPT = 4096
_SHORT = 256
_MODULE_OF = (
    ("net.netfilter.nf_conntrack", "nf_conntrack"),
    ("net.ipv4.vs.", "ip_vs"),
    ("net.bridge.", "br_netfilter"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """The sections ``values`` and ``contents``, joined.

    Attributes:
        contents: by path, for each file that could be read.
        keys: access and kind of each sysctl, by path.
        refused: paths that are there and were not to be read.
        module_directories: names below /sys/module, where no list of the built-in modules is installed.
    """

    contents: Mapping[bytes, bytes]
    keys: Mapping[bytes, tuple[bytes, bytes]]
    refused: frozenset[bytes]
    module_directories: frozenset[bytes]


def join_values(answer: Answer) -> Values:
    """Give each content its path."""
    paths: list[bytes] = []
    keys: dict[bytes, tuple[bytes, bytes]] = {}
    refused = set()
    directories = set()
    for record in answer.records(b"values"):
        kind, access, path = _three(record)
        if kind in {b"value", b"denied", b"absent"}:
            keys[path] = kind, access
        elif kind == b"refused":
            refused.add(path)
        elif kind == b"module":
            directories.add(path.rpartition(b"/")[2])
        elif kind != b"proc":
            raise MalformedError("an unknown record", record)
        if kind in {b"value", b"proc"}:
            paths.append(path)
    contents = answer.contents(b"contents")
    if len(contents) != len(paths):
        raise MalformedError(f"{len(contents)} values for {len(paths)} keys: the node needs working env and cat")
    return Values(
        contents=dict(zip(paths, contents, strict=True)),
        keys=keys,
        refused=frozenset(refused),
        module_directories=frozenset(directories),
    )


def parse_sysctls(values: Values, *, uid: int, loaded: frozenset[str]) -> dict[str, Sysctl]:
    """Every key that was asked for.

    Args:
        values: the joined sections.
        uid: as whom the probe ran.
        loaded: modules that are there, built in or loaded.
    """
    sysctls = {}
    for path, (kind, access) in values.keys.items():
        key = _key(path)
        raw = values.contents.get(path, b"")
        if kind == b"absent":
            sysctls[key] = Sysctl(key=key, value=_absent(key, loaded), writable=access == b"w")
        elif not raw or len(raw) > _MOST_VALUE_BYTES:
            # The kernel ends even an empty value with a line break: nothing at all is a failed read.
            sysctls[key] = Sysctl(key=key, value=denied(uid), writable=access == b"w")
        else:
            read = _shared_sysctl if len(raw) <= _SHORT else _sysctl
            sysctls[key] = read(key, raw, writable=access == b"w")
    return sysctls


@lru_cache(maxsize=_MOST_KEPT)
def _key(path: bytes) -> str:
    if not path.startswith(_ROOT):
        raise MalformedError("a key outside /proc/sys", path)
    return key_in_dots(text(path.removeprefix(_ROOT), 512))


def _sysctl(key: str, raw: bytes, *, writable: bool) -> Sysctl:
    return Sysctl(key=key, value=b" ".join(raw.split()).decode(errors="backslashreplace"), writable=writable)


_shared_sysctl = lru_cache(maxsize=_MOST_KEPT)(_sysctl)


def parse_modules(
    values: Values, release: bytes, *, static: bool
) -> tuple[frozenset[str] | Unavailable, frozenset[str] | Unavailable]:
    """The loaded modules and the built-in ones, with underscores as /proc/modules writes them.

    Args:
        values: the joined sections.
        release: of the running kernel.
        static: the kernel cannot load modules at all.
    """
    loaded: frozenset[str] | Unavailable
    raw = values.contents.get(b"/proc/modules")
    if raw is not None:
        loaded = shared(frozenset(text(line.split(b" ", 1)[0], 128) for line in raw.splitlines()))
    else:
        loaded = frozenset() if static else Unavailable(Reason.UNREADABLE, "/proc/modules")
    path = b"/lib/modules/" + release + b"/modules.builtin"
    raw = values.contents.get(path)
    if raw is not None:
        names = raw.replace(b"-", b"_").split()
        return loaded, shared(frozenset(text(name[name.rfind(b"/") + 1 :].split(b".", 1)[0], 128) for name in names))
    if values.module_directories - {b"*"} and not isinstance(loaded, Unavailable):
        return loaded, frozenset(text(name, 128) for name in values.module_directories) - loaded
    return loaded, Unavailable(Reason.UNREADABLE, text(path))


def denied(uid: int, detail: str = "") -> Unavailable:
    """Why something that is there was not to be read."""
    return Unavailable(Reason.NEEDS_ROOT if uid else Reason.UNREADABLE, detail)


def _absent(key: str, loaded: frozenset[str]) -> Unavailable:
    for prefix, module in _MODULE_OF:
        if key.startswith(prefix) and module not in loaded:
            return Unavailable(Reason.NOT_LOADED, module)
    return Unavailable(Reason.ABSENT)


@lru_cache(maxsize=_MOST_KEPT)
def _three(record: bytes) -> tuple[bytes, bytes, bytes]:
    parts = record.strip(b"\n").split(b" ", 2)
    if len(parts) != 3:  # noqa: PLR2004 # kind, access and path, as the name of the function says
        raise MalformedError("an unfinished record", record)
    return parts[0], parts[1], parts[2]
