"""Commands of systemd units, from the unit file and its drop-ins."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from fleet.kernel.layers import layered
from fleet.model.facts import NodeFile

UNIT_DIRECTORIES = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
# Slashes of /etc/systemd/system/multi-user.target.wants/NAME.
_DEPTH = 5
# Many questions are asked of one file, and most files are the same on many nodes.
_MOST_FILES_KEPT = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitCommand:
    """One command of a unit, with the place where it is written.

    Attributes:
        path: the file.
        line: from 1, where the directive begins.
        text: the command as written, prefixes included, continued lines joined.
    """

    path: str
    line: int
    text: str


def units(files: Mapping[str, NodeFile]) -> tuple[str, ...]:
    """The services whose unit file was read and is not masked, without ``.service``, in the order of their names."""
    found = {
        name.removesuffix(".service")
        for path, file in files.items()
        for directory, _, name in [path.rpartition("/")]
        if directory in UNIT_DIRECTORIES and name.endswith(".service") and file.content is not None
    }
    return tuple(sorted(name for name in found if unit_file(files, name) is not None))


def unit_file(files: Mapping[str, NodeFile], service: str) -> NodeFile | None:
    """The file that defines a service; None where there is none, or where it is masked.

    Args:
        files: the node's files by path.
        service: the unit's name without ``.service``.
    """
    file = next((files[path] for path in (f"{d}/{service}.service" for d in UNIT_DIRECTORIES) if path in files), None)
    return file if file is not None and (file.content is not None or file.kind == "unreadable") else None


def is_enabled(files: Mapping[str, NodeFile], unit: str) -> bool:
    """Whether an administrator has enabled a unit, such as ``kubelet.service``; only of those whose links were read."""
    start = f"{UNIT_DIRECTORIES[0]}/"
    return any(
        path.startswith(start) and path.endswith((f".wants/{unit}", f".requires/{unit}")) and path.count("/") == _DEPTH
        for path in files
    )


def unit_commands(files: Mapping[str, NodeFile], service: str, directive: str) -> tuple[UnitCommand, ...]:
    """The commands of one directive in the order in which systemd runs them.

    Args:
        files: the node's files by path.
        service: the unit's name without ``.service``.
        directive: such as ``ExecStartPre``; an empty value forgets those before it.
    """
    unit = unit_file(files, service)
    drop_ins = layered(files, (f"{directory}/{service}.service.d" for directory in UNIT_DIRECTORIES), ".conf")
    commands: list[UnitCommand] = []
    for file in (unit, *drop_ins):
        if file is None or file.content is None:
            continue
        for line, key, value in _service_directives(file.content):
            if key != directive:
                continue
            if value:
                commands.append(UnitCommand(path=file.path, line=line, text=value))
            else:
                commands.clear()
    return tuple(commands)


@lru_cache(maxsize=_MOST_FILES_KEPT)
def _service_directives(content: bytes) -> tuple[tuple[int, str, str], ...]:
    directives: list[tuple[int, str, str]] = []
    section = ""
    for number, line in _logical_lines(content.decode("utf-8", "replace")):
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif section == "Service":
            key, _, value = line.partition("=")
            directives.append((number, key.strip(), value.strip()))
    return tuple(directives)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    begun, parts = 0, list[str]()
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.strip()
        if line.startswith(("#", ";")) or not (line or parts):
            continue
        begun = begun if parts else number
        parts.append(line.removesuffix("\\").rstrip())
        if not line.endswith("\\"):
            yield begun, " ".join(parts)
            parts.clear()
    if parts:
        yield begun, " ".join(parts)
