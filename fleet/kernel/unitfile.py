"""Commands of systemd units, from the unit file and its drop-ins."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fleet.kernel.layers import layered
from fleet.model.facts import NodeFile

_DIRECTORIES = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)


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


def unit_commands(files: Mapping[str, NodeFile], service: str, directive: str) -> tuple[UnitCommand, ...]:
    """The commands of one directive in the order in which systemd runs them.

    Args:
        files: the node's files by path.
        service: the unit's name without ``.service``.
        directive: such as ``ExecStartPre``; an empty value forgets those before it.
    """
    unit = next((files[path] for path in (f"{d}/{service}.service" for d in _DIRECTORIES) if path in files), None)
    drop_ins = layered(files, (f"{directory}/{service}.service.d" for directory in _DIRECTORIES), ".conf")
    commands: list[UnitCommand] = []
    for file in (unit, *drop_ins):
        if file is None or file.content is None:
            continue
        for line, key, value in _service_directives(file.content.decode("utf-8", "replace")):
            if key != directive:
                continue
            if value:
                commands.append(UnitCommand(path=file.path, line=line, text=value))
            else:
                commands.clear()
    return tuple(commands)


def _service_directives(text: str) -> Iterator[tuple[int, str, str]]:
    section = ""
    for number, line in _logical_lines(text):
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif section == "Service":
            key, _, value = line.partition("=")
            yield number, key.strip(), value.strip()


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
