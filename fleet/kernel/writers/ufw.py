"""ufw, which applies a sysctl file of its own whenever the firewall starts.

``ufw-init`` runs ``sysctl -e -q -p`` on the file that IPT_SYSCTL names in /etc/default/ufw. Its unit is ordered before
the network only, so at boot nothing but habit lets it come after systemd-sysctl; the file's own header promises that.
"""

import re
from collections.abc import Iterator, Mapping

from fleet.kernel.writers.sysctlfile import sysctl_lines
from fleet.kernel.writers.writer import Write, Writer
from fleet.model.facts import NodeFacts, NodeFile

_DEFAULTS = "/etc/default/ufw"
_ASSIGNMENT = re.compile(rb"(?m)^[ \t]*IPT_SYSCTL=[\"']?([^\"'\s#]*)")


def ufw_writers(facts: NodeFacts) -> Iterator[Writer]:
    """What an enabled ufw writes when it starts again; the last line about a key counts."""
    if facts.ufw_enabled is not True:
        return
    file = facts.files.get(_file_of(facts.files))
    lines = {line.key: line for line in sysctl_lines(file)} if file is not None else {}
    for line in lines.values():
        yield Writer(
            name="ufw",
            kind="ufw",
            key=line.key,
            when="service start",
            service="ufw",
            writes=(Write(rule="sets", value=line.value),),
            evidence=("ufw is enabled", f"{line.origin} sets it, and ufw applies that file when it starts"),
            condition="at boot nothing orders it after systemd-sysctl, though it comes later as a rule",
            place=line.origin.rpartition(":")[0],
        )


def _file_of(files: Mapping[str, NodeFile]) -> str:
    defaults = files.get(_DEFAULTS)
    found = _ASSIGNMENT.findall(defaults.content) if defaults is not None and defaults.content is not None else []
    return found[-1].decode("utf-8", "replace") if found else ""
