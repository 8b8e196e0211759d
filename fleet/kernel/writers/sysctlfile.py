"""Lines of files in the form of sysctl.conf, for the programs that apply such files themselves."""

from collections.abc import Iterator
from dataclasses import dataclass

from fleet.kernel.boot.name import dotted
from fleet.kernel.values import fold
from fleet.model.facts import NodeFile


@dataclass(frozen=True, slots=True, kw_only=True)
class SysctlLine:
    """One assignment: the key in dots, the value with whitespace folded, and where it stands."""

    key: str
    value: str
    origin: str


def sysctl_lines(file: NodeFile) -> Iterator[SysctlLine]:
    """Every ``key = value`` line of a file, in order; lines that are none are left out.

    Only whole keys are of use here: a pattern such as ``net.ipv4.conf.*.rp_filter`` never equals one.
    """
    text = "" if file.content is None else file.content.decode("utf-8", "replace")
    for number, line in enumerate(text.split("\n"), start=1):
        bare = line.strip()
        name, equals, value = bare.partition("=")
        if equals and not bare.startswith(("#", ";")):
            yield SysctlLine(key=dotted(name.strip()), value=fold(value), origin=f"{file.path}:{number}")
