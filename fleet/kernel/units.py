"""Lines of kubelet, k3s and RKE2 units that can keep a node from coming up.

At AKS a drop-in ran sysctl on a conntrack key before nf_conntrack was loaded: the command failed, and with it the
kubelet. The prefix ``-`` makes systemd go on: https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fleet.kernel.layers import layered
from fleet.kernel.unitfile import UnitCommand, unit_commands
from fleet.model.facts import NodeFacts

SERVICES = ("kubelet", "k3s", "k3s-agent", "rke2-server", "rke2-agent", "containerd")

_MODULE = "nf_conntrack"
_MODULES_LOAD = tuple(f"{root}/modules-load.d" for root in ("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"))
_PREFIXES = "-@:+!|"
_TOOL = re.compile(r"(?:^|[\s'\"/;&|(])(sysctl|modprobe)(?=$|[\s'\";&|)])")
_FAILURE_IGNORED = re.compile(r"(?:\|\|\s*(?:true|:)|;\s*(?:true|exit 0))\s*['\"]?$")
_EVERY_FILE = re.compile(r"\ssysctl\s+(?:-\S+\s+)*--system\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnguardedLine:
    """An ExecStartPre line that can stop its unit, or that does nothing when it is needed.

    Attributes:
        service: the unit without ``.service``.
        problems: what is wrong with the line, as clauses.
    """

    service: str
    path: str
    line: int
    text: str
    problems: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}: {', '.join(self.problems)}"


def unguarded_lines(facts: NodeFacts) -> tuple[UnguardedLine, ...]:
    """Every ExecStartPre line of the node's Kubernetes services that runs sysctl or modprobe without care."""
    loaded = _loaded_before_services(facts)
    return tuple(
        UnguardedLine(service=service, path=command.path, line=command.line, text=command.text, problems=problems)
        for service in SERVICES
        for command, problems in _judge(unit_commands(facts.files, service, "ExecStartPre"), loaded=loaded)
        if problems
    )


def _judge(commands: Iterable[UnitCommand], *, loaded: bool) -> Iterator[tuple[UnitCommand, tuple[str, ...]]]:
    for command in commands:
        body = command.text.lstrip(_PREFIXES)
        prefix = command.text[: len(command.text) - len(body)]
        tools = set(_TOOL.findall(body))
        loaded = loaded or ("modprobe" in tools and _MODULE in body)
        if tools:
            yield command, tuple(_problems(prefix, body, tools, loaded=loaded))


def _problems(prefix: str, body: str, tools: set[str], *, loaded: bool) -> Iterator[str]:
    if "-" not in prefix and not _FAILURE_IGNORED.search(body):
        yield "stops the unit when it fails (write - before the command)"
    if not body.startswith("/"):
        yield "has no absolute path"
    if "sysctl" in tools and _MODULE in body and not loaded:
        yield f"runs before {_MODULE} is loaded"
    if _EVERY_FILE.search(f" {body.replace('/', ' ')}"):
        yield "applies every sysctl file again at each start"


def _loaded_before_services(facts: NodeFacts) -> bool:
    if isinstance(facts.builtin_modules, frozenset) and _MODULE in facts.builtin_modules:
        return True
    lists = (*layered(facts.files, _MODULES_LOAD, ".conf"), facts.files.get("/etc/modules"))
    return any(
        line.strip() == _MODULE.encode()
        for file in lists
        if file is not None and file.content is not None
        for line in file.content.splitlines()
    )
