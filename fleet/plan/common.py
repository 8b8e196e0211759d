"""What the files of a plan have in common: whose they are, and the facts of a node on which they stand."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from fleet.facts.tree import mask_file
from fleet.model.facts import NodeFacts, NodeFile
from fleet.policy.wanted import Wanted
from fleet.render import RenderedFile, Templates

KEPT = "kept"
"""Stands where the id of a control does, for what an earlier plan wrote."""

KEPT_WHY = "An earlier plan put it here, and this one leaves it as it is."

_MANAGED = re.compile(rb"\A(?:#[^\n]*\n){0,3}?#[^\n]*Managed by fleet", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What all files of one plan have in common."""

    templates: Templates
    playbook: str
    wants: Sequence[Wanted]

    @property
    def keys(self) -> tuple[str, ...]:
        """The sysctl keys and timeouts of IPVS that are wanted."""
        keys = (want.control.setting.key for want in self.wants)
        return tuple(dict.fromkeys(key for key in keys if key is not None))


def is_managed(file: NodeFile) -> bool:
    """Whether fleet has written a file."""
    return file.kind == "file" and file.content is not None and _MANAGED.search(file.content) is not None


def content(facts: NodeFacts, path: str) -> bytes | None:
    """What a regular file holds; None where there is none."""
    file = facts.files.get(path)
    return file.content if file is not None and file.kind == "file" else None


def is_there(facts: NodeFacts, file: RenderedFile) -> bool:
    """Whether a file has its content already, as far as the probe shows it."""
    return content(facts, file.path) in {file.content, mask_file(file.path, file.content)}


def with_files(facts: NodeFacts, files: Iterable[RenderedFile], removed: Iterable[str] = ()) -> NodeFacts:
    """The facts of a node on which files were written and removed."""
    gone = frozenset(removed)
    kept = {path: file for path, file in facts.files.items() if path not in gone}
    written = {file.path: NodeFile(path=file.path, kind="file", content=file.content) for file in files}
    return replace(facts, files=kept | written)
