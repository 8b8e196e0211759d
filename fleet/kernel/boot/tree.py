"""The files of a layered configuration directory: which of them count, and in which order they are read."""

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from fleet.model.facts import NodeFile

BASES = ("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib")
"""Strongest first; /lib counts where it is not a link to /usr/lib (builds with a split /usr)."""

_SUFFIX = ".conf"


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeFile:
    """One file of the tree.

    Attributes:
        content: what a reader gets; empty for a directory, a link to nowhere and a link to /dev/null.
        unread: why the content is not known; empty where it is.
        hidden: by what, in words, where the file does not count; empty where it does.
    """

    path: str
    content: bytes
    unread: str = ""
    hidden: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Files in the order in which they are read: by name in byte order.

    Attributes:
        masked: files that another one of the same name in a stronger directory hides.
        unread: why the tree as a whole is not known; empty where it is.
    """

    files: tuple[TreeFile, ...]
    masked: tuple[TreeFile, ...]
    unread: str = ""


def read_tree(files: Mapping[str, NodeFile], name: str, *, hidden: bool) -> Tree:
    """Lay the directories of one tree over each other.

    Whatever stands at a name masks the same name in weaker directories, also a directory, an empty file or a link
    to nowhere: systemd 252 and procps 4.0.2 look at the names alone. See conf_files_list_strv() of systemd and
    PreloadSystem() of procps.

    Args:
        files: by absolute path.
        name: of the tree, such as ``sysctl.d``.
        hidden: whether files that begin with a dot count; they do in procps and not in systemd.
    """
    strongest: dict[str, TreeFile] = {}
    masked: list[TreeFile] = []
    unread = ""
    for base in BASES:
        directory = f"{base}/{name}"
        itself = files.get(directory)
        if itself is not None and (itself.kind in {"unreadable", "other"} or itself.note):
            unread = f"{directory} could not be read"
        for file in _entries(files, directory):
            basename = posixpath.basename(file.path)
            if basename.startswith(".") and not hidden:
                continue
            entry = readable(file)
            if (stronger := strongest.setdefault(basename, entry)) is not entry:
                masked.append(replace(entry, hidden=_hidden_by(files[stronger.path])))
    order = sorted(strongest, key=lambda basename: basename.encode(errors="surrogateescape"))
    return Tree(files=tuple(strongest[basename] for basename in order), masked=tuple(masked), unread=unread)


def readable(file: NodeFile) -> TreeFile:
    """A file as a reader on the node sees it."""
    unread = ""
    if file.kind in {"unreadable", "other"}:
        unread = file.note or "it could not be read"
    elif file.note:
        unread = file.note
    elif file.kind == "link" and file.content is None and (file.link or "").startswith(("/dev/", "/proc/", "/sys/")):
        unread = "" if file.link == "/dev/null" else f"it leads to {file.link}"
    elif file.kind == "file" and file.content is None:
        unread = "its content was not read"
    return TreeFile(path=file.path, content=file.content or b"", unread=unread)


def _hidden_by(file: NodeFile) -> str:
    if file.link == "/dev/null":
        return f"its file is masked by {file.path}, a link to /dev/null"
    return f"its file is hidden by {file.path}"


def _entries(files: Mapping[str, NodeFile], directory: str) -> Iterator[NodeFile]:
    for path, file in files.items():
        if posixpath.dirname(path) == directory and path.endswith(_SUFFIX):
            yield file
