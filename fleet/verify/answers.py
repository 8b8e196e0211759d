"""What a node would answer to the commands of testinfra's modules, from facts that were already read.

The commands are those of testinfra's modules ``sysctl``, ``file`` and ``system_info``, and one for IPVS, which has no
module. They come as templates with arguments, so no shell syntax has to be understood.
https://github.com/pytest-dev/pytest-testinfra/tree/main/testinfra/modules
"""

import re
from collections.abc import Callable, Mapping

from fleet.facts import ProbeRequest, key_in_dots
from fleet.model.connection import Completed
from fleet.model.facts import NodeFacts, NodeFile, Unavailable

MODULES = "/sys/module/"
IPVS_TIMEOUTS = "ipvsadm -l --timeout"
_SYSCTL = "sysctl"

Facts = tuple[NodeFacts, ProbeRequest]


def builtin_list(kernel: str) -> str:
    """The file that lists the modules that are built into a kernel, such as ``6.1.0-18-amd64``."""
    return f"/lib/modules/{kernel}/modules.builtin"


def builtin_pattern(module: str) -> str:
    """What finds a module in that file: file names of modules have ``-`` where their names have ``_``, or not."""
    return f"/{re.escape(module).replace('_', '[-_]')}\\.ko"


def answer(facts: NodeFacts, request: ProbeRequest, command: str, arguments: tuple[str, ...]) -> Completed:
    """Answer one command.

    Args:
        facts: of the node.
        request: with which they were read.
        command: a template of testinfra, such as ``cat -- %s``.
        arguments: for the template.

    Raises:
        LookupError: the facts do not tell.
    """
    if command not in _ANSWERS:
        raise LookupError(f"facts do not answer {command!r}: verify with --independent")
    return _ANSWERS[command]((facts, request), *arguments)


def _said(text: bytes | str) -> Completed:
    return Completed(exit_status=0, stdout=text.encode() if isinstance(text, str) else text, stderr=b"")


_YES = Completed(exit_status=0, stdout=b"", stderr=b"")
_NO = Completed(exit_status=1, stdout=b"", stderr=b"")


def _find(_: Facts, program: str) -> Completed:
    return _said(f"{_SYSCTL}\n") if program == _SYSCTL else _NO


def _sysctl(known: Facts, _program: str, key: str) -> Completed:
    sysctl = known[0].sysctls.get(key_in_dots(key))
    if sysctl is None:
        raise LookupError(f"facts do not have {key}: verify with --independent")
    if isinstance(sysctl.value, Unavailable):
        return Completed(exit_status=255, stdout=b"", stderr=f"sysctl: {key}: {sysctl.value}\n".encode())
    return _said(f"{sysctl.value}\n")


def _file(known: Facts, path: str) -> NodeFile | None:
    facts, request = known
    if path not in facts.files and path not in request.files:
        raise LookupError(f"facts do not have {path}: verify with --independent")
    return facts.files.get(path)


def _exists(known: Facts, path: str) -> Completed:
    if path.startswith(MODULES):
        modules = known[0].modules
        return _YES if not isinstance(modules, Unavailable) and path.removeprefix(MODULES) in modules else _NO
    file = _file(known, path)
    return _YES if file is not None and (file.kind != "link" or file.content is not None) else _NO


def _is_file(known: Facts, path: str) -> Completed:
    file = _file(known, path)
    return _YES if file is not None and (file.kind == "file" or file.content is not None) else _NO


def _is_link(known: Facts, path: str) -> Completed:
    file = _file(known, path)
    return _YES if file is not None and file.link is not None else _NO


def _content(known: Facts, path: str) -> Completed:
    file = _file(known, path)
    return _NO if file is None or file.content is None else _said(file.content)


def _contains(known: Facts, pattern: str, path: str) -> Completed:
    facts = known[0]
    if path != builtin_list(facts.identity.kernel) or isinstance(facts.builtin_modules, Unavailable):
        raise LookupError(f"facts do not tell what {path} contains: verify with --independent")
    return _YES if any(builtin_pattern(module) == pattern for module in facts.builtin_modules) else _NO


def _os_release(known: Facts) -> Completed:
    release = known[0].identity.os
    return _said(f"ID={release.id}\nVERSION_ID={release.version_id}\n")


def _ipvs(known: Facts) -> Completed:
    timeouts = known[0].ipvs.timeouts
    if isinstance(timeouts, Unavailable):
        return _NO
    return _said(f"Timeout (tcp tcpfin udp): {timeouts.tcp} {timeouts.tcp_fin} {timeouts.udp}\n")


_ANSWERS: Mapping[str, Callable[..., Completed]] = {
    "command -v command": lambda _: _YES,
    "command -v %s": _find,
    "%s -n %s": _sysctl,
    "test -e %s": _exists,
    "test -f %s": _is_file,
    "test -L %s": _is_link,
    "cat -- %s": _content,
    "grep -qs -- %s %s": _contains,
    IPVS_TIMEOUTS: _ipvs,
    "uname -s": lambda _: _said("Linux\n"),
    "uname -m": lambda known: _said(f"{known[0].identity.arch}\n"),
    "cat /etc/os-release": _os_release,
}
