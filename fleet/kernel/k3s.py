"""The configuration that k3s starts with: files and arguments merged as k3s merges them.

https://docs.k3s.io/installation/configuration: config.yaml first, then config.yaml.d/*.yaml by name. The last value of
a key counts; a list is replaced unless the later file writes the key with ``+``. Arguments replace what files say. RKE2
works alike but runs kube-proxy as a process of its own, whose arguments can be read there.
"""

import shlex
from collections.abc import Iterator, Mapping

from fleet.document.reader import parse
from fleet.kernel.layers import layered
from fleet.kernel.options import options
from fleet.kernel.unitfile import unit_commands
from fleet.model.facts import NodeFile, NodeProcess

_CONFIG = "/etc/rancher/k3s/config.yaml"


def k3s_setting(process: NodeProcess, files: Mapping[str, NodeFile], key: str) -> str | None:
    """One value as text; None where neither arguments nor files set it, empty for an option without a value.

    Raises:
        DocumentError: a file is no YAML that can be read.
    """
    values = k3s_list(process, files, key)
    return values[-1] if values else None


def k3s_list(process: NodeProcess, files: Mapping[str, NodeFile], key: str) -> tuple[str, ...]:
    """All values of a key that may be repeated, such as ``kube-proxy-arg``.

    Args:
        process: the running k3s; it hides its arguments, so those of its unit count too.
        files: the node's files by path.
        key: as k3s spells it, without dashes in front.

    Raises:
        DocumentError: a file is no YAML that can be read.
    """
    if given := options(process.arguments, key) or _unit_options(process, files, key):
        return given
    values: tuple[str, ...] = ()
    for name, value in _settings(files):
        if name == key:
            values = _texts(value)
        elif name == f"{key}+":
            values = (*values, *_texts(value))
    return values


def _unit_options(process: NodeProcess, files: Mapping[str, NodeFile], key: str) -> tuple[str, ...]:
    service = "k3s-agent" if "agent" in (process.name.removeprefix("k3s-"), *process.arguments[1:2]) else "k3s"
    commands = unit_commands(files, service, "ExecStart")
    if not commands:
        return ()
    try:
        return options(shlex.split(commands[-1].text), key)
    except ValueError:
        # systemd refuses a line with an open quote as well, so k3s did not start from it.
        return ()


def _settings(files: Mapping[str, NodeFile]) -> Iterator[tuple[str, object]]:
    first = (files[_CONFIG],) if _CONFIG in files else ()
    for file in (*first, *layered(files, (f"{_CONFIG}.d",), ".yaml")):
        if file.content is None:
            continue
        data = parse(file.content, file.path).data
        if isinstance(data, dict):
            yield from data.items()


def _texts(value: object) -> tuple[str, ...]:
    members = value if isinstance(value, list) else [value]
    return tuple(str(member).lower() if isinstance(member, bool) else str(member) for member in members)
