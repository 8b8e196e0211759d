"""Nodes for fleet.kernel: their files as text, their processes by name."""

from collections.abc import Mapping

from support.facts import NEEDS_ROOT, kept_at_boot, node_facts

from fleet.model.facts import NodeFacts, NodeFile, NodeProcess

__all__ = ["NEEDS_ROOT", "node", "process"]


def process(name: str, *arguments: str) -> NodeProcess:
    return NodeProcess(pid=1, name=name, arguments=(f"/usr/local/bin/{name}", *arguments))


def node(
    *,
    sysctls: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
    kept: bool = False,
    **overrides: object,
) -> NodeFacts:
    """A node with files of this text, or masked where the text is ``-> /dev/null``; more as in `node_facts`.

    Args:
        kept: whether further files keep its values over the next boot.
    """
    written = {path: _file(path, text) for path, text in (files or {}).items()}
    return node_facts(sysctls=sysctls, files=(kept_at_boot(sysctls or {}) if kept else {}) | written, **overrides)


def _file(path: str, text: str) -> NodeFile:
    if text == "-> /dev/null":
        return NodeFile(path=path, kind="link", link="/dev/null")
    return NodeFile(path=path, kind="file", content=text.encode())
