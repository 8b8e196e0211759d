"""The configuration that k3s and RKE2 start with: files and arguments merged as they merge them.

https://docs.k3s.io/installation/configuration: config.yaml, or the file that --config or K3S_CONFIG_FILE names, then
config.yaml.d/*.yaml by name. The last value of a key counts; a list is replaced unless the later file writes the key
with ``+``. Arguments replace what files say. RKE2 works alike but runs kube-proxy as a process of its own, whose
arguments can be read there.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from fleet.document.document import Document
from fleet.document.reader import parse
from fleet.kernel.layers import layered
from fleet.kernel.options import options
from fleet.kernel.unitfile import UNIT_DIRECTORIES, unit_commands
from fleet.model.errors import DocumentError
from fleet.model.facts import NodeFile, NodeProcess
from fleet.model.text import printable

# A file of comments alone is no document, but says something to k3s: nothing.
_SAYS = re.compile(rb"(?m)^(?!---\s*$)\s*[^\s#]|\(masked\)")
# Many questions are asked of one file, and most files are the same on many nodes.
_MOST_FILES_KEPT = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One value with the place where an operator wrote it, such as ``/etc/rancher/k3s/config.yaml:12``."""

    text: str
    origin: str


def k3s_setting(process: NodeProcess, files: Mapping[str, NodeFile], key: str) -> str | None:
    """One value as text; None where neither arguments nor files set it, empty for an option without a value.

    Raises:
        DocumentError: a file is no YAML that can be read.
    """
    values = k3s_list(process, files, key)
    return values[-1] if values else None


def runs_pods(process: NodeProcess, files: Mapping[str, NodeFile]) -> bool:
    """Whether this k3s or RKE2 runs a kubelet and kube-proxy that write the node's own settings.

    With ``rootless`` they live in namespaces of their own, and leave the conntrack keys alone even there:
    https://github.com/k3s-io/k3s/blob/master/pkg/agent/run.go.

    Raises:
        DocumentError: as for ``k3s_given``.
    """
    return not any(k3s_setting(process, files, key) in {"true", ""} for key in ("disable-agent", "rootless"))


def k3s_list(process: NodeProcess, files: Mapping[str, NodeFile], key: str) -> tuple[str, ...]:
    """All values of a key that may be repeated, such as ``kube-proxy-arg``; arguments as for ``k3s_given``.

    Raises:
        DocumentError: a file is no YAML that can be read.
    """
    return tuple(given.text for given in k3s_given(process, files, key))


def k3s_given(process: NodeProcess, files: Mapping[str, NodeFile], key: str) -> tuple[Given, ...]:
    """All values of a key that may be repeated, each with its place.

    Args:
        process: the running k3s or RKE2; it hides its arguments, so those of its unit count too.
        files: the node's files by path.
        key: as k3s spells it, without dashes in front.

    Raises:
        DocumentError: a file is no YAML mapping, or was not read.
    """
    service = _service(process)
    places = (*(f"{directory}/{service}.service" for directory in UNIT_DIRECTORIES), "/etc/rancher", _config(process))
    sources = tuple(file for path, file in files.items() if path.startswith(places))
    return _given(replace(process, pid=0), sources, key)


# A dozen keys are asked for, several times each, and most nodes of a cluster say the same.
@lru_cache(maxsize=2048)
def _given(process: NodeProcess, sources: tuple[NodeFile, ...], key: str) -> tuple[Given, ...]:
    files = {file.path: file for file in sources}
    if values := options(process.arguments, key):
        return tuple(Given(text=text, origin=f"the command line of {process.name}") for text in values)
    if unit := _unit_options(process, files, key):
        return unit
    given: tuple[Given, ...] = ()
    for document, name, value in _settings(process, files):
        if name == key:
            given = tuple(_texts(document, name, value))
        elif name == f"{key}+":
            given = (*given, *_texts(document, name, value))
    return given


def _unit_options(process: NodeProcess, files: Mapping[str, NodeFile], key: str) -> tuple[Given, ...]:
    commands = unit_commands(files, _service(process), "ExecStart")
    if not commands:
        return ()
    values = options(_words(commands[-1].text), key)
    return tuple(Given(text=text, origin=f"{commands[-1].path}:{commands[-1].line}") for text in values)


def _service(process: NodeProcess) -> str:
    agent = "agent" in (process.name.partition("-")[2], *process.arguments[1:2])
    server = "k3s" if process.name.startswith("k3s") else "rke2-server"
    return f"{server.removesuffix('-server')}-agent" if agent else server


def _directory(process: NodeProcess) -> str:
    return f"/etc/rancher/{'k3s' if process.name.startswith('k3s') else 'rke2'}"


def _config(process: NodeProcess) -> str:
    return process.config or f"{_directory(process)}/config.yaml"


@lru_cache(maxsize=_MOST_FILES_KEPT)
def _words(command: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(command))
    except ValueError:
        # systemd refuses a line with an open quote as well, so k3s did not start from it.
        return ()


def _settings(process: NodeProcess, files: Mapping[str, NodeFile]) -> Iterator[tuple[Document, str, object]]:
    directory, config = _directory(process), _config(process)
    _check_known(process, files, config)
    # An answer from what happens to be readable would be a guess.
    for path in ("/etc/rancher", directory, config, f"{config}.d"):
        if path in files and files[path].kind == "unreadable":
            raise DocumentError("may not be read", path=path, hint="run as root, with become: sudo")
    first = (files[config],) if config in files else ()
    drop_ins = (file for suffix in (".yaml", ".yml") for file in layered(files, (f"{config}.d",), suffix))
    for file in (*first, *sorted(drop_ins, key=lambda file: file.path.encode())):
        document = _document(file)
        if document is not None and isinstance(document.data, dict):
            for name, value in document.data.items():
                yield document, name, value


def _check_known(process: NodeProcess, files: Mapping[str, NodeFile], config: str) -> None:
    if process.config and config not in files:
        raise DocumentError(f"{process.name} is told to read it, but it was not read", path=printable(config, 160))
    for option in ("config", "c"):
        for given in _unit_options(process, files, option):
            # The probe knows no short form, and does not take units apart as systemd does.
            if given.text != config:
                raise DocumentError(f"{given.origin} names it, but it was not read", path=printable(given.text, 160))


@lru_cache(maxsize=_MOST_FILES_KEPT)
def _document(file: NodeFile) -> Document | None:
    """A configuration file taken apart; None where there is none, or one of comments alone."""
    if file.kind == "unreadable":
        raise DocumentError("may not be read", path=file.path, hint="run as root, with become: sudo")
    if file.note or file.kind == "other":
        raise DocumentError(file.note or "is no regular file", path=file.path)
    if file.content is None or not _SAYS.search(file.content):
        return None
    document = parse(file.content, file.path)
    if not isinstance(document.data, dict):
        raise DocumentError("is no mapping", path=file.path)
    return document


def _texts(document: Document, name: str, value: object) -> Iterator[Given]:
    members = value if isinstance(value, list) else [value]
    for index, member in enumerate(members):
        line, _ = document.position((name, index) if isinstance(value, list) else (name,))
        text = str(member).lower() if isinstance(member, bool) else str(member)
        yield Given(text=text, origin=f"{document.path}:{line}")
